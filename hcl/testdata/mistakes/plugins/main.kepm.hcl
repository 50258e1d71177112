baseline "b" {
  plugin_setting "../x" "k" { value = 1 }
  plugin_setting "X" "a::b" { value = 1 }
  plugin_setting "X" "a" {}
  plugin_setting "X" "b" {
    value = "x"
    match = "at_least"
  }
  plugin_setting "X" "c" {
    value = 1
    match = "one_of"
  }
  plugin_setting "X" "d" {
    value = 1
    match = "absent"
  }
  plugin_setting "X" "e" {
    value = 1
    match = "atleast"
  }
  plugin_setting "X" "apiKey" { value = "hunter2" }
  plugin_setting "X" "f" {
    value = [1, { a = 1 }]
    match = "one_of"
  }
  plugin_setting "x" "A" { value = 1 }
  app_setting "AllowedHosts" { match = "absent" }
}
baseline "labels" {
  app_setting { value = 1 }
  plugin_setting { value = 1 }
  plugin_setting "X" { value = 1 }
  permissions {
    path { users = "none" }
  }
}
baseline "nested" {
  app_setting "A" { value = ["x"] }
  app_setting "a:0" { value = "z" }
  plugin_setting "X" "metadata:k" { value = 1 }
  plugin_setting "X" "CertPassword" { value = "" }
  app_setting "MqttBrokerSettings:IpAddress" { value = "0.0.0.0" }
  app_setting "Settings" { match = "absent" }
}
variable "nothing" {
  type    = string
  default = null
}
variable "unset" { type = string }
variable "holes" {
  type    = list(string)
  default = ["a", null]
}
baseline "nulls" {
  settings { cert_password = var.unset }
  permissions {
    profile = "users_read_execute"
    path "Plugins" { users = var.nothing }
  }
  app_setting "B" {
    value = var.holes
    match = "one_of"
  }
  app_setting "C" {
    value = 1e-300 / 3
    match = "at_least"
  }
}
