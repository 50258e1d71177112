# The vendor's Security Hardening guide. Where the guide contradicts itself on
# standard users, the first baseline follows its Windows paragraph (read and
# execute), the second its monitoring table (nothing).

baseline "hardening_guide" {
  title = "KEPM Security Hardening guide"

  settings {
    allowed_hosts                 = ["localhost", "127.0.0.1"]
    log_level                     = ["Warning", "Information"]
    alternative_signatures        = []
    allowed_non_admin_executables = []
    cert_password                 = ""
  }
  agent {
    required = true
  }
  service {
    account  = "privileged"
    running  = true
    at_boot  = true
    watchdog = "unmanaged"
  }
  network {
    loopback_only = true
    tls_minimum   = "1.2"
  }
  permissions {
    profile = "users_read_execute"
  }
  certificate {
    kind         = "self_signed"
    renew_before = "30d"
  }
}

baseline "hardening_guide_strict" {
  title   = "KEPM Security Hardening guide, permissions by its table"
  extends = [builtin.hardening_guide]

  permissions {
    profile = "table"
  }
}
