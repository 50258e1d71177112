baseline "b" {
  settings { log_level = "Warning" }
  override { mode = "audit" }
  override { controls = [control.log_level] }
  override {
    controls = [control.log_level]
    mode     = "audit"
    reason   = "no end"
  }
  override {
    controls = [control.log_levle, control.permissions["a"]["b"], log_level, "control.log_level", control.log_level["x"]]
    mode     = "enforce"
  }
  override {
    controls = []
    severity = "worst"
  }
  override {
    controls = [control.log_level]
    mode     = "off"
    reason   = "x"
    expires  = "tomorrow"
  }
  override {
    controls = [control.log_level]
    mode     = "off"
    reason   = "an old case"
    expires  = "2026-01-31"
  }
  override {
    controls = [control.tls_minimum]
    severity = "low"
  }
  certificate { renew_before = "30d" }
}
baseline "c" {
  certificate {
    kind         = "selfsigned"
    max_age      = "10m"
    renew_before = 30
  }
  agent { version = "newest" }
}
