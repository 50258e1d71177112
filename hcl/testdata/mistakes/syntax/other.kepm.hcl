hots "b" {}
group "g" { hosts = ["a"] }
