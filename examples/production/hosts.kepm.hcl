host "app-01" {
  address = "10.20.0.11"
  os      = "linux"
  labels  = { env = "prod", site = "par1" }
}

host "app-02" {
  address = "10.20.0.12"
  os      = "linux"
  labels  = { env = "prod", site = "fra2" }
}

host "lab-01" {
  address = "10.30.0.1"
  os      = "linux"
  labels  = { env = "lab", site = "par1" }
}

group "linux" {
  where      = host.os == "linux"
  connection = connection.ssh.ops
}

group "prod" {
  where = host.labels.env == "prod"
}

group "lab" {
  where = host.labels.env == "lab"
}
