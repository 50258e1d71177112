# Order never matters: what is used here is written further down, or in another file.
assign "production" {
  baseline = baseline.production
  to       = [group.prod_linux]
  hosts    = ["edge-*"]
  except   = [group.lab]
  mode     = "enforce"
  rollout  = rollout.careful
}

assign "watch" {
  baseline = builtin.hardening_guide_strict
  to       = [group.lab]
  mode     = "audit"
}

host "app-01" {
  address      = "10.20.0.11"
  port         = 2222
  os           = "linux"
  labels       = { env = "prod", site = "par1" }
  connection   = connection.ssh.ops
  install_root = "/opt/keeper/sbin"
}

host "app-02" {
  os     = "linux"
  labels = { env = "prod" }
}

host "edge-01" {
  connection = connection.ssh.jump_free
}

host "edge-99" {
  os         = "linux"
  connection = connection.ssh.ops
  labels     = { env = "lab" }
}

host "spare" {}

group "prod_linux" {
  where      = host.labels.env != null && (host.labels.env == "prod" && host.os == "linux")
  hosts      = ["app-*"]
  connection = connection.ssh.ops
}

group "lab" {
  hosts = ["edge-99"]
}
