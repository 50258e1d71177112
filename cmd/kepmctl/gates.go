package main

import (
	"fmt"

	"github.com/kepmctl/kepmctl/hcl"
	"github.com/kepmctl/kepmctl/plans"
)

// judged are the configuration's gates on the numbers of a plan.
func judged(config *hcl.Config, p *plans.Plan) []plans.Gate {
	numbers := hcl.Numbers(p.Numbers())
	var list []plans.Gate
	for _, g := range config.Gates {
		pass, values, err := g.Judge(numbers)
		one := plans.Gate{Name: g.Name, Condition: g.Condition, Values: values, Pass: pass, File: g.Source.File, Line: g.Source.Line}
		if err != nil {
			one.Message = "it cannot be judged: " + err.Error()
		} else if !pass {
			one.Message = g.Message
		}
		list = append(list, one)
	}
	return list
}

// refused says that a plan is: it that does not pass a gate, of those kept in it or of the
// configuration as it is now.
func refused(p *plans.Plan, now []plans.Gate) error {
	g := p.Refused()
	for i := range now {
		if g == nil && !now[i].Pass {
			g = &now[i]
		}
	}
	if g == nil {
		return nil
	}
	return &exit{exitRefused, &advised{
		fmt.Errorf("gate %q refuses the plan: %s does not hold (%s): %s", g.Name, g.Condition, g.Values, g.Message),
		"narrow the plan (--target, --sample, --signature), or change the gate if that is right",
	}}
}
