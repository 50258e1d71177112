# What one host must be: the vendor's Security Hardening guide. Read it from top to
# bottom once. Change the two places marked CHANGE ME first, then, in this directory:
#
#   kepmctl validate               are these files right? It dials nobody
#   kepmctl plan --out first.plan  look at the host; nothing is changed
#   kepmctl apply first.plan       carry out exactly that plan
#
# Every file here whose name ends with .kepm.hcl is read; their order means nothing.

# How hosts are reached. Their keys must stand in ~/.ssh/known_hosts: log in once
# with ssh and compare the fingerprint.
connection "ssh" "ops" {
  user   = "ops"  # CHANGE ME: the account you log in with
  become = "sudo" # how it gets the rights of root; "none" where it is root

  # The keys of your SSH agent and ~/.ssh/id_* are tried. To name one, or where sudo
  # asks for a password (it is read from the environment, never written down here):
  # private_key_file = "~/.ssh/id_ed25519"
  # become_password  = secret::env("KEPM_BECOME")
}

# One block for each host. The name is yours, the address is where it is dialled.
host "app-01" {
  address    = "app-01.example.com" # CHANGE ME: a name or an IP address
  os         = "linux"
  labels     = { env = "test" } # anything; groups may select by it
  connection = connection.ssh.ops
}

# What must hold. This takes over the whole guide; `kepmctl controls` lists what that
# is and why. What you write below it wins.
baseline "production" {
  title   = "KEPM agent, hardened"
  extends = [builtin.hardening_guide]

  # service {
  #   watchdog = "running" # the guide leaves it open
  # }
}

# Which hosts must be so. With mode = "audit" they are reported and never changed.
assign "first" {
  baseline = baseline.production
  hosts    = ["app-01"] # names, or patterns such as "app-*"
  # mode   = "audit"
}
