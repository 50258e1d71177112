connection "ssh" "a" {
  user             = 5
  port             = 70000
  agent            = "yes"
  become           = "sudoo"
  connect_timeout  = "2h"
  command_timeout  = 10
  known_hosts_file = "~bob/known_hosts"
  private_key_file = "/keys/${host.labels.evn}"
}
connection "ssh" "b" {
  user             = host.user
  known_hosts_file = hosts
  command_timeout  = "1d"
}
connection "ssh" "c" { become_password = secret::env("P") }
connection "ssh" "d" { private_key_passphrase = secret::env("P") }
host "h1" {
  labels     = { env = "prod" }
  connection = connection.ssh.aa
}
host "h2" { connection = "a" }
host "h3" { connection = group.a }
host "h4" { connection = connection.winrm.x }
group "one" {
  hosts      = ["h5"]
  connection = connection.ssh.a
}
group "two" {
  hosts      = ["h[5-9]"]
  connection = connection.ssh.b
}
host "h5" {}
