package main

import (
	"github.com/kepmctl/kepmctl/plans"
)

// terms are what the configuration says of a plan: its rollouts as plans know them.
func (a *app) terms(r planned, f planFlags) plans.Terms {
	config := r.config
	t := plans.Terms{
		Tool: version, TTL: f.ttl, Tolerated: config.MaxUnreachable.Of(len(config.Goals)), Selection: r.selection, Signature: f.signature,
		Labels: map[string]map[string]string{}, Places: map[string]plans.Place{},
	}
	spread := map[string]string{} // what a wave should be like the fleet in
	for _, h := range config.Hosts {
		t.Labels[h.Name] = h.Labels
		spread[h.Name] = string(h.OS) + "/" + h.Labels["site"]
	}
	t.Waivers = waiversOf(config)
	for n, r := range config.Rollouts {
		to := plans.Rollout{Name: r.Name, Parallelism: r.Parallelism, MaxFailed: r.MaxFailed, MaxUnreachable: r.MaxUnreachable, Keep: r.Keep}
		for _, w := range r.Waves {
			to.Waves = append(to.Waves, plans.Wave{Name: w.Name, Size: w.Size, Soak: w.Soak.Seconds(), Approve: w.Approve})
		}
		for _, l := range r.Limits {
			to.Limits = append(to.Limits, plans.Limit(l))
		}
		t.Rollouts = append(t.Rollouts, to)
		for host, p := range r.Places {
			place := plans.Place{Rollout: n, Fits: p.Fits, Limits: p.Limits, Spread: spread[host]}
			for _, w := range p.Windows {
				place.Windows = append(place.Windows, plans.Window{Days: w.Days, From: plans.Clock(w.From), To: plans.Clock(w.To), Zone: w.Zone})
			}
			t.Places[host] = place
		}
	}
	for host, kind := range spread {
		if _, placed := t.Places[host]; !placed {
			t.Places[host] = plans.Place{Rollout: -1, Spread: kind}
		}
	}
	return t
}
