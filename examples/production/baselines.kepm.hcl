# What every host must be: the guide, tightened.
baseline "production" {
  title   = "KEPM agent, production"
  extends = [builtin.hardening_guide_strict]

  settings {
    log_level = ["Information", "Warning"]
  }

  app_setting "Watchdog:AutoRemediate" {
    value = true
  }

  service {
    watchdog      = "running"
    start_timeout = "90s"
  }

  permissions {
    path "Plugins/bin" {
      administrators = "read_execute"
      users          = "read_execute"
    }
  }
}

# The laboratory is looked at by the same rules and never changed.
assign "production" {
  baseline = baseline.production
  to       = [group.prod]
  rollout  = rollout.patient
}

assign "lab" {
  baseline = baseline.production
  to       = [group.lab]
  mode     = "audit"
}

rollout "patient" {
  parallelism     = 10
  confirm_timeout = "90s"
}
