package provider

import (
	"cmp"
	"crypto/tls"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/kepmctl/kepmctl/provider/appsettings"
	"github.com/kepmctl/kepmctl/transport"
)

func (j *judge) loopbackOnly() Finding {
	if !j.facts.Service.Active {
		return unknown("the service is down, so nothing listens", "start the service and look again")
	}
	if !j.facts.Listening {
		return unknown("the host did not list its listeners", "")
	}
	ports := j.ports()
	var open []string
	silent, onlyMQTT := slices.Clone(ports), true
	for _, l := range j.facts.Listeners {
		if !slices.Contains(ports, l.Port) {
			continue
		}
		silent = slices.DeleteFunc(silent, func(p int) bool { return p == l.Port })
		if !l.Address.Unmap().IsLoopback() {
			open = append(open, netip.AddrPortFrom(l.Address, uint16(l.Port)).String())
			onlyMQTT = onlyMQTT && l.Port == PortMQTT
		}
	}
	if len(silent) > 0 && len(open) == 0 {
		return unknown(fmt.Sprintf("the service runs, but nothing listens on %v of its ports %v", silent, ports),
			"see the agent's log: it may listen elsewhere")
	}
	return j.exposed(open, onlyMQTT)
}

// exposed judges listeners beyond loopback together with the one address that
// appsettings.json names.
func (j *judge) exposed(open []string, onlyMQTT bool) Finding {
	f := Finding{Outcome: Compliant, Have: "loopback", Want: "loopback"}
	if len(open) > 0 {
		slices.Sort(open)
		f.Outcome, f.Have = NonCompliant, strings.Join(slices.Compact(open), ", ")
		f.Hint = "find out what makes the agent listen there: its settings, ASPNETCORE_URLS, a proxy"
	}
	if j.settings == nil || !onlyMQTT {
		return f
	}
	have := j.settings.Get(KeyMQTTAddress)
	if addr, err := netip.ParseAddr(plain(have)); have.Kind == appsettings.Absent || (err == nil && addr.Unmap().IsLoopback()) {
		return f
	}
	if by := j.overriddenBy(KeyMQTTAddress); by != "" {
		f.Outcome, f.Reason = NonCompliant, KeyMQTTAddress+" is overridden by "+by
		return f
	}
	fix := j.set(j.appSettings(), KeyMQTTAddress, have, false, `"127.0.0.1"`)
	if len(open) > 0 {
		fix.Have = f.Have
	}
	return fix
}

// tlsVersion is crypto/tls's number for a value of tls_minimum.
func tlsVersion(v Value) uint16 {
	if v == `"1.3"` {
		return tls.VersionTLS13
	}
	return tls.VersionTLS12
}

// tlsPorts are the agent's ports that speak TLS.
func (j *judge) tlsPorts() []int { return []int{j.port(KeyHTTPSPort, PortHTTPS), PortMQTT} }

// modernQuestions asks each port for its certificate.
func modernQuestions(ports ...int) []transport.Question {
	var qs []transport.Question
	for _, p := range ports {
		qs = append(qs, transport.Question{Port: p, TLSMin: tls.VersionTLS12, TLSMax: tls.VersionTLS13})
	}
	return qs
}

// tlsQuestions asks each port twice: once with what must be spoken, once with
// what must be refused.
func tlsQuestions(minimum Value, ports ...int) []transport.Question {
	v := tlsVersion(minimum)
	var qs []transport.Question
	for _, p := range ports {
		qs = append(qs,
			transport.Question{Port: p, TLSMin: v, TLSMax: tls.VersionTLS13},
			transport.Question{Port: p, TLSMin: tls.VersionTLS10, TLSMax: v - 1},
		)
	}
	return qs
}

func (j *judge) tlsMinimum(w Want) Finding {
	if !j.facts.Service.Active {
		return unknown("the service is down, so nothing can be asked", "start the service and look again")
	}
	var accepted, unclear []string
	for _, port := range j.tlsPorts() {
		good, old := j.answer(port, tlsVersion(w.Value), true), j.answer(port, tlsVersion(w.Value), false)
		switch {
		case good == nil || old == nil:
			unclear = append(unclear, fmt.Sprintf("port %d was not asked", port))
		case old.TLS:
			accepted = append(accepted, fmt.Sprintf("port %d accepts %s", port, tls.VersionName(old.TLSVersion)))
		case good.Unknown != "" || old.Unknown != "":
			unclear = append(unclear, fmt.Sprintf("port %d: %s", port, cmp.Or(good.Unknown, old.Unknown)))
		case good.Refused:
			unclear = append(unclear, fmt.Sprintf("nothing listens on port %d", port))
		case !good.TLS:
			unclear = append(unclear, fmt.Sprintf("port %d does not speak TLS %s: %s", port, strings.Trim(string(w.Value), `"`), good.TLSError))
		}
	}
	want := "nothing older than TLS " + strings.Trim(string(w.Value), `"`)
	switch {
	case len(accepted) > 0:
		return Finding{
			Outcome: NonCompliant, Have: strings.Join(accepted, ", "), Want: want,
			Hint: "raise the minimum in the system's TLS policy, then restart the agent",
		}
	case len(unclear) > 0:
		return unknown(strings.Join(unclear, "; "), "")
	default:
		return Finding{Outcome: Compliant, Have: want, Want: want}
	}
}

// answer finds what a port said to the modern or to the old question.
func (j *judge) answer(port int, minimum uint16, modern bool) *transport.Answer {
	for i, a := range j.facts.Answers {
		if a.Question.Port == port && a.Question.TLSMax != 0 && a.Question.Path == "" && (a.Question.TLSMin == minimum) == modern {
			return &j.facts.Answers[i]
		}
	}
	return nil
}
