kepmctl {
  required_version = "about 1"
  max_unreachable  = "300%"
}
