# The smallest complete configuration: one host, the vendor's guide.

connection "ssh" "ops" {
  user             = "ops"
  private_key_file = "~/.ssh/id_ed25519"
  become           = "sudo"
}

host "app-01" {
  address    = "10.20.0.11"
  os         = "linux"
  connection = connection.ssh.ops
}

baseline "production" {
  extends = [builtin.hardening_guide]
}

assign "production" {
  baseline = baseline.production
  hosts    = ["app-01"]
}
