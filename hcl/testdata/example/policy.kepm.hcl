kepmctl {
  required_version = ">= 0.1, < 2"
  max_unreachable  = "30%"
}

connection "ssh" "ops" {
  user                   = "ops"
  port                   = 22
  private_key_file       = "~/.ssh/id_ed25519"
  private_key_passphrase = secret::env("KEPM_KEY_PASSPHRASE")
  known_hosts_file       = "known_hosts"
  host_keys              = "strict"
  become                 = "sudo"
  become_password        = secret::file("become/${host.name}")
  connect_timeout        = "15s"
}

connection "ssh" "jump_free" {
  agent = true
}

baseline "production" {
  title   = "KEPM agent, production"
  extends = [builtin.hardening_guide]

  settings {
    allowed_hosts                 = ["LOCALHOST", "localhost", "127.0.0.1"]
    log_level                     = "Warning"
    alternative_signatures        = ["‎a9:4a 8fe5ccb19ba61c4c0873d391e987982fbbd3"]
    allowed_non_admin_executables = null
  }
  app_setting "Watchdog:AutoRemediate" { value = true }
  app_setting "Watchdog:CheckIntervalSec" { value = 10 }
  agent {
    required = false
  }
  service {
    watchdog      = "running"
    start_timeout = "90s"
  }
  permissions {
    administrators_group = "wheel"
    path "Plugins" {
      users = "none"
    }
    path "Plugins/bin" {
      administrators = "read_execute"
      users          = "none"
    }
  }
}

rollout "careful" {
  parallelism     = 10
  confirm_timeout = "45s"
}
