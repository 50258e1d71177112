connection "ssh" "c" {}
host "a1" { connection = connection.ssh.c }
host "a2" { connection = connection.ssh.c }
host "b1" {}
host "b2" {}
group "a" { hosts = ["a*"] }
group "b" { hosts = ["b*"] }
group "a1" { hosts = ["a1"] }

baseline "one" {
  settings { log_level = "Warning" }
  service { start_timeout = "10s" }
  app_setting "Watchdog:X" { value = 1 }
}
baseline "two" {
  settings { log_level = "Error" }
  service { start_timeout = "20s" }
  app_setting "watchdog:x" { value = 2 }
}
baseline "none" { title = "nothing" }
rollout "fast" { parallelism = 1000 }
rollout "slow" {
  parallelism     = 0
  confirm_timeout = "1ms"
}

assign "first" {
  baseline = baseline.one
  to       = [group.a]
  rollout  = rollout.fast
}
assign "second" {
  baseline = baseline.two
  to       = [group.a]
  rollout  = rollout.slow
}
assign "third" {
  baseline = baseline.one
  to       = [group.a]
  mode     = "audit"
}
assign "lost" {
  baseline = baseline.none
  to       = [group.b]
}
assign "empty" {
  baseline = baseline.one
  to       = [group.a]
  except   = [group.a]
}
assign "nobody" { baseline = baseline.one }
assign "typos" {
  baseline = baseline.ones
  to       = [group.aa]
  hosts    = ["a3", "zz*"]
  except   = [group.b]
  mode     = "enforced"
  rollout  = rollout.fasst
}
