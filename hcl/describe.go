package hcl

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"

	"github.com/kepmctl/kepmctl/provider"
)

// A Describer says how hosts would have to be declared to be what they are. It may
// be used concurrently.
type Describer struct {
	mu    sync.Mutex
	known map[string][]provider.Want // by the text of a baseline; nil: it is no valid one
}

// A Description is what a host has, in the language.
type Description struct {
	Host    string
	Has     map[Attribute]string // expressions
	Left    map[Attribute]string // why nothing is said of it: what the host has is not what can be declared
	NoAgent string               // why nothing is known of an agent; empty: it has one
	Version string               // the agent's
}

// An Attribute is one of a baseline's.
type Attribute struct{ Block, Name string }

func (a Attribute) String() string { return a.Block + "." + a.Name }

// An aspect is what a host is asked for: of its alternatives the first that holds.
type aspect []map[Attribute]string

// aspects are what can be said of a host without knowing it, the strictest first.
var aspects = []aspect{
	{{{"settings", "cert_password"}: `""`}},
	{{{"agent", "required"}: "true"}},
	{{{"service", "account"}: `"privileged"`}},
	{{{"service", "running"}: "true"}},
	{{{"service", "at_boot"}: "true"}},
	{{{"service", "watchdog"}: `"running"`}},
	{{{"network", "loopback_only"}: "true"}},
	{{{"network", "tls_minimum"}: `"1.2"`}},
	{{{"permissions", "profile"}: `"table"`}, {{"permissions", "profile"}: `"users_read_execute"`}, {{"permissions", "profile"}: `"no_write"`}},
	{
		{{"certificate", "kind"}: `"self_signed"`, {"certificate", "renew_before"}: `"30d"`},
		{{"certificate", "kind"}: `"self_signed"`},
		{{"certificate", "kind"}: `"external"`, {"certificate", "renew_before"}: `"30d"`},
		{{"certificate", "kind"}: `"external"`},
	},
}

// attributeOrder is the order in which they are written.
func attributeOrder() []Attribute {
	var list []Attribute
	for _, a := range baselineAttributes() {
		list = append(list, Attribute{a.block, a.name})
	}
	return list
}

// Describe says what a host has that a baseline can demand. What it says is checked
// by judging the host against it.
func (d *Describer) Describe(host string, l provider.Look) Description {
	out := Description{Host: host, Has: map[Attribute]string{}, Left: map[Attribute]string{}, Version: l.Facts.Version}
	installed := d.judge(l, aspect{{{"agent", "required"}: "true"}}[0])
	if installed == nil || installed[0].Outcome != provider.Compliant {
		out.NoAgent = "no agent is installed"
		if len(installed) > 0 && installed[0].Outcome == provider.Unknown {
			out.NoAgent = installed[0].Reason
		}
		return out
	}
	for _, a := range append(present(l, out.Left), aspects...) {
		d.adopt(&out, l, a)
	}
	return out
}

// adopt takes the first alternative that holds, or says why none does.
func (d *Describer) adopt(out *Description, l provider.Look, a aspect) {
	why := ""
	for _, alternative := range a {
		findings := d.judge(l, alternative)
		at := slices.IndexFunc(findings, func(f provider.Finding) bool {
			return f.Outcome != provider.Compliant && f.Outcome != provider.NotApplicable
		})
		holds := at < 0 && slices.ContainsFunc(findings, func(f provider.Finding) bool { return f.Outcome == provider.Compliant })
		if holds {
			for attr, literal := range alternative {
				out.Has[attr] = literal
			}
			return
		}
		if at >= 0 { // of the loosest in the end
			f := findings[at]
			why = f.Address + ": " + cmp.Or(f.Have, f.Reason)
		}
	}
	for attr := range a[0] {
		if attr.Name != "renew_before" {
			out.Left[attr] = cmp.Or(why, attr.Name+": it is nothing that can be declared")
		}
	}
}

// present are the aspects whose values stand in appsettings.json.
func present(l provider.Look, left map[Attribute]string) []aspect {
	var list []aspect
	for _, a := range baselineAttributes() {
		if a.block != "settings" || a.control == provider.CertPassword {
			continue
		}
		attr := Attribute{a.block, a.name}
		values, ok := provider.Present(l, a.control)
		if !ok {
			left[attr] = attr.Name + ": appsettings.json cannot be read, or holds nothing that can be declared"
			continue
		}
		if a.control == provider.LogLevel {
			for i, v := range values { // .NET reads it in any case
				values[i] = strings.ToUpper(v[:min(1, len(v))]) + strings.ToLower(v[min(1, len(v)):])
			}
		}
		slices.Sort(values)
		list = append(list, aspect{{attr: literal(slices.Compact(values))}})
	}
	return list
}

// literal is a list of texts as an expression, which holds no template.
func literal(list []string) string {
	values := make([]cty.Value, len(list))
	for i, s := range list {
		values[i] = cty.StringVal(s)
	}
	v := cty.ListValEmpty(cty.String)
	if len(values) > 0 {
		v = cty.ListVal(values)
	}
	return string(hclwrite.TokensForValue(v).Bytes())
}

// judge judges a host against some attributes; nil: they are not valid.
func (d *Describer) judge(l provider.Look, attrs map[Attribute]string) []provider.Finding {
	wants := d.wants(attrs)
	if wants == nil {
		return nil
	}
	g := provider.Goal{Wants: wants, Options: provider.Options{AgentRequired: true, StartTimeout: defaultStartTimeout, ConfirmTimeout: defaultConfirmTimeout}}
	return provider.Judge(g, l)
}

// wants are what attributes mean, as any configuration's are read.
func (d *Describer) wants(attrs map[Attribute]string) []provider.Want {
	text := "baseline \"probe\" {\n" + blocks(attrs) + "}\n"
	d.mu.Lock()
	defer d.mu.Unlock()
	if wants, ok := d.known[text]; ok {
		return wants
	}
	src := "connection \"ssh\" \"c\" {}\nhost \"h\" { connection = connection.ssh.c }\nassign \"a\" {\n  baseline = baseline.probe\n  hosts = [\"h\"]\n}\n" + text
	config, _ := load("", []file{{"probe" + Suffix, []byte(src)}}, nil, Options{})
	var wants []provider.Want
	if config != nil && len(config.Goals) == 1 {
		for _, w := range config.Goals[0].Wants {
			if w.Control.Name != provider.ConfigOverrides { // not the host's state, but a question about it
				wants = append(wants, w)
			}
		}
	}
	if d.known == nil {
		d.known = map[string][]provider.Want{}
	}
	d.known[text] = wants
	return wants
}

// blocks writes attributes as the blocks of a baseline.
func blocks(attrs map[Attribute]string) string {
	var b strings.Builder
	open := ""
	for _, a := range attributeOrder() {
		value, ok := attrs[a]
		if !ok {
			continue
		}
		if a.Block != open {
			if open != "" {
				b.WriteString("}\n")
			}
			open = a.Block
			fmt.Fprintf(&b, "%s {\n", a.Block)
		}
		fmt.Fprintf(&b, "%s = %s\n", a.Name, value)
	}
	if open != "" {
		b.WriteString("}\n")
	}
	return b.String()
}
