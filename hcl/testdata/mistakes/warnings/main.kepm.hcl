connection "ssh" "c" {}
host "a1" {
  connection = connection.ssh.c
  labels     = { env = "prod" }
}
host "a2" { connection = connection.ssh.c }
group "empty" { where = host.labels.env == "test" }
group "not_prod" { where = !(host.labels.env == "prod") }
group "guarded" { where = host.labels.env != null && host.labels.env == "prod" }
group "other" { hosts = ["a2"] }
baseline "none" {}
assign "a" {
  baseline = baseline.none
  hosts    = ["a1", "zz*"]
  except   = [group.other]
}
