# Hosts that Ansible and a table already know: no host blocks.

connection "ssh" "ops" {
  user   = "ops"
  become = "sudo"
}

inventory "ansible" "ours" {
  path       = "inventory/hosts.yml"
  connection = connection.ssh.ops
}

inventory "csv" "cmdb" {
  path       = "inventory/cmdb.csv"
  columns    = { name = "Hostname", address = "IP", site = "Location" }
  connection = connection.ssh.ops
  priority   = 200 # Ansible's word comes first; labels of both are merged
}

# Groups of Ansible's are labels: group_NAME.
group "web" {
  where = host.labels.group_web == "true"
}
group "paris" {
  where = host.labels.site == "par1"
}

baseline "production" {
  extends = [builtin.hardening_guide]
}

assign "web" {
  baseline = baseline.production
  to       = [group.web, group.paris]
}
