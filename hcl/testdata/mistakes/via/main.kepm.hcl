connection "ssh" "a" { via = connection.ssh.b }
connection "ssh" "b" {
  address = "b"
  via     = connection.ssh.c
}
connection "ssh" "c" {
  address = "c"
  via     = connection.ssh.b
}
connection "ssh" "d" { via = connection.ssh.e }
connection "ssh" "e" {}
connection "ssh" "f" {
  via        = connection.ssh.b2
  proxy_jump = "x"
}
connection "ssh" "g" { proxy_jump = "x:99999" }
connection "ssh" "h" { address = "user@host:22" }
connection "ssh" "i" {
  private_key      = secret::env("K")
  private_key_file = "k"
}
connection "ssh" "j" {
  certificate_file = "c"
  host_keys        = "off"
  become           = "keepersudo"
  become_password  = secret::env("P")
}
connection "ssh" "k" { password = secret::exec([]) }
connection "ssh" "l" { password = secret::exec("laps hunter2") }
connection "ssh" "m" { password = "hunter2" }
connection "ssh" "n" { user = file("../etc/passwd") }
connection "ssh" "o" { user = file("/etc/passwd") }
connection "ssh" "p" { user = templatefile("main.kepm.hcl", 1) }
connection "ssh" "q" { user = file("nosuch") }
