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
