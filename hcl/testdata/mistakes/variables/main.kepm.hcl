variable "site" {
  type = string
  validation {
    condition     = length(var.site) == 4
    error_message = "A site has four letters."
  }
}
variable "count" {
  type    = number
  default = "many"
}
variable "ports" {
  type    = list(string)
  default = var.site
}
variable "kind" { type = strin }
variable "missing" {}
variable "secret" { default = secret::env("X") }
variable "typed" {
  typ     = string
  default = "x"
}
variable "half" {
  default = 1
  validation { condition = true }
}
locals {
  a = local.b
  b = local.c
  c = local.a
  d = var.sit
  e = local.nosuch
  f = host.name
  g = { x = 1 }.y
}
locals { a = 1 }
host "h" { address = local.d }
host "i" { address = var.site.name }
host "j" { address = var }
