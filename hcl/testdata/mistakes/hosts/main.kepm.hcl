host "-oProxyCommand=x" {}
host "a b" {}
host "c" {
  address      = "10.0.0.1:22"
  port         = 0
  os           = "linus"
  labels       = { "a b" = "x", n = 1, s = secret::env("X"), gone = null }
  install_root = "opt/keeper"
}
host "d" {
  address      = "-x"
  labels       = ["a"]
  install_root = "/opt/../etc"
}
host "e" { address = "[::1]" }
host "f" { address = "fe80::1%eth0" }
