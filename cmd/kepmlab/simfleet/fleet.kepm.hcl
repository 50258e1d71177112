# A simulated fleet. Written by kepmlab fleet; yours to change.

kepmctl {
  max_unreachable = "20%"
}

connection "ssh" "fleet" {
  user             = "root"
  private_key_file = "id_ed25519"
  known_hosts_file = "known_hosts"
}

group "fleet" {
  hosts = ["*"]
}

baseline "fleet" {
  title   = "KEPM agent, simulated"
  extends = [builtin.hardening_guide]
}

assign "fleet" {
  baseline = baseline.fleet
  to       = [group.fleet]
}
