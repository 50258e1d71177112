kepmctl {
  required_version = ">= 0.1"
  max_unreachable  = "10%"
}

connection "ssh" "ops" {
  user             = "ops"
  private_key_file = "~/.ssh/id_ed25519"
  known_hosts_file = "known_hosts"
  become           = "sudo"
  become_password  = secret::env("KEPM_BECOME")
}
