# What a plan may do, for conftest, beside kepmctl's own gates:
#
#   kepmctl show --json fleet.plan >plan.json
#   conftest test --policy examples/gitops/policy plan.json
package main

import rego.v1

# Hosts whose agent the plan restarts.
restarted contains host.name if {
	some host in input.hosts
	some i in host.changes
	input.changes[i].effect == "restart"
}

deny contains msg if {
	count(restarted) * 4 > count(input.hosts)
	msg := sprintf("%d of %d agents would restart at once", [count(restarted), count(input.hosts)])
}

deny contains msg if {
	some waiver in input.waivers
	waiver.state != "active"
	msg := sprintf("waiver %s has no effect: %s", [waiver.name, waiver.why])
}

# Nothing but the guide's log levels is ever written.
deny contains msg if {
	some change in input.changes
	change.control == "log_level"
	not change.to in {"\"Warning\"", "\"Information\""}
	msg := sprintf("log_level may not become %s", [change.to])
}
