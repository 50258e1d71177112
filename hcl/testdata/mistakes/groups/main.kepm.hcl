host "app-01" {
  os     = "linux"
  labels = { env = "prod", ring = "0" }
}
host "app-02" { labels = { env = "prod" } }
host "app-03" { labels = { ring = "x" } }
host "app-04" {}
host "app-05" {}

group "nothing" {}
group "typo" { hosts = ["app-1", "web-*", "[", "app-01"] }
group "empty" { where = host.labels.env == "test" }
group "unknown" { where = host.labels.evn == "prod" }
group "attribute" { where = host.adress == "x" }
group "systems" { where = host.os == "linux" }
group "fine" {
  where = host.os == "linux"
  hosts = ["app-01"]
}
group "not_prod" { where = host.labels.env != "prod" }
group "absent" { where = host.labels.env == null || host.labels.env != "prod" }
group "ring" { where = host.labels.env == "prod" && host.labels.ring > 1 }
group "not_a_number" { where = host.labels.ring > 1 }
group "text" { where = host.name }
group "whole" { where = host == 1 }
group "reference" { where = group.fine }
group "elsewhere" { hosts = [host.name] }
group "nulls" {
  where = null
  hosts = null
}
assign "null" {
  baseline = null
  hosts    = ["app-01"]
}
