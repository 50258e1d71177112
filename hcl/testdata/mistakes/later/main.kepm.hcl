issuer "vault" "v" {}
connection "winrm" "corp" { user = "x" }
host "w" {
  os         = "windows"
  connection = connection.winrm.corp
}
baseline "b" {
  certificate {
    kind   = "managed"
    issuer = issuer.vault.v
  }
}
