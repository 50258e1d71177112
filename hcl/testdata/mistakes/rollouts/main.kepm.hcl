connection "ssh" "c" {}
host "a" {
  connection = connection.ssh.c
  labels     = { ring = "0" }
}
host "b" {
  connection = connection.ssh.c
  labels     = { zone = "Mars/Base" }
}
assign "all" {
  baseline = builtin.hardening_guide
  hosts    = ["*"]
  rollout  = rollout.r
}
rollout "r" {
  max_failed      = "101%"
  max_unreachable = "many"
  keep            = 0
  wave "a" {
    size    = 0
    soak    = "9d"
    approve = "always"
  }
  wave "a" {}
  wave "b" { where = host.labels.rink == "0" }
  limit "l" { by = host.labels.ring }
  limit "m" {
    by    = host.name == "x"
    count = 0
  }
  window {
    days = ["Tuesday"]
    from = "7pm"
    to   = "24:00"
  }
  window {
    from = "10:00"
    to   = "10:00"
  }
  window {
    from = "10:00"
    to   = "11:00"
    zone = host.labels.zone
  }
}
