variable "site" { default = "par1" }
locals { a = var.b }
inventory "csv" "x" {}
waiver "w" {}
gate "g" {}
issuer "vault" "v" {}
connection "winrm" "corp" { user = "x" }
connection "ssh" "ops" {
  private_key      = secret::env("KEY")
  certificate_file = "x"
  via              = connection.ssh.jump
  proxy_jump       = "x"
  host_keys        = "accept_new"
  become           = "keepersudo"
  become_password  = secret::exec(["laps"])
  user             = var.user
  known_hosts_file = templatefile("x", {})
}
host "w" {
  os         = "windows"
  connection = connection.winrm.corp
}
baseline "b" {
  plugin_setting "KeeperLogger" "logRetentionDays" { value = 30 }
  certificate { kind = "self_signed" }
  override { mode = "audit" }
  agent { version = ">= 2" }
  app_setting "X" {
    value = 1
    match = "at_least"
  }
}
rollout "r" {
  max_failed = "2%"
  wave "canary" { size = 1 }
}
