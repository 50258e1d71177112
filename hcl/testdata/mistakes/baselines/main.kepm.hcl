baseline "a" { extends = [baseline.b] }
baseline "b" { extends = [baseline.c] }
baseline "c" { extends = [baseline.a] }
baseline "d" { extends = [builtin.hardening, baseline.missing, group.x, "d"] }
baseline "e" { extends = builtin.hardening_guide }
baseline "settings" {
  title = 5
  settings {
    allowed_hosts                 = ["a;b"]
    log_level                     = ["warning"]
    alternative_signatures        = ["A94A8FE5"]
    allowed_non_admin_executables = ["bin/x"]
  }
  agent { required = "yes" }
  service {
    account       = "root"
    running       = false
    watchdog      = "on"
    start_timeout = "10d"
  }
  network {
    loopback_only = false
    tls_minimum   = 1.2
  }
}
baseline "empty_lists" {
  settings {
    allowed_hosts = []
    log_level     = []
  }
}
baseline "secrets" {
  settings { allowed_hosts = [secret::env("X")] }
  app_setting "S" { value = secret::env("X") }
  app_setting "T" { value = "x ${secret::env("X")}" }
  app_setting "U" { value = jsonencode(secret::env("X")) }
}
baseline "keys" {
  app_setting "allowedhosts" { value = "x" }
  app_setting "Settings:AlternativeSignatures:0" { value = "x" }
  app_setting "settings:SYSTEM.logging.level" { value = "x" }
  app_setting "Settings:AllowedNonAdminExecutables" { value = [] }
  app_setting "Kestrel::X" { value = 1 }
  app_setting "O" { value = { a = 1 } }
  app_setting "L" { value = [1] }
  app_setting "N" { value = 1e99999 }
}
baseline "rows" {
  permissions {
    profile = "tabel"
    path "/etc" { users = "none" }
    path "../x" { users = "none" }
    path "a\\b" { users = "none" }
    path "Plugins/" { users = "none" }
    path "Jobs" { users = "full" }
    path "Other" { users = "none" }
    path "none" {}
    path "Dup" { users = "none" }
    path "dup" { users = "none" }
  }
}
baseline "group" {
  permissions { administrators_group = "wheel;id" }
}
