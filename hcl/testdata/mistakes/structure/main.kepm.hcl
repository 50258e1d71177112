kepmctl {}
kepmctl {}
hots "a" {}
host "a" "b" {}
host "x" {
  adress = "10.0.0.1"
  labels { env = "prod" }
}
group "two words" { hosts = ["x"] }
user = "ops"
baseline "b" {
  settings = {}
  settings { allowed_host = ["a"] }
  app_setting "A:B" { value = 1 }
  app_setting "a:b" { value = 2 }
  app_setting "C" {}
}
baseline "b" {}
connection "ssh" "c" {}
connection "shh" "d" {}
connection "ssh" "c" {}
assign "a" { hosts = ["x"] }
