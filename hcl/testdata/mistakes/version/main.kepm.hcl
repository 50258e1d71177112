kepmctl { required_version = ">= 0.1, < 0.3" }
brand_new "block" {}
