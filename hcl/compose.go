package hcl

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"

	"github.com/kepmctl/kepmctl/provider"
)

// A Scaffold is how hosts that no configuration names are reached.
type Scaffold struct {
	User              string
	Port              int
	Become            string
	BecomePasswordEnv string // environment variable that holds the password
	PrivateKeyFile    string
	KnownHostsFile    string
	Hosts             []string    // names or addresses
	Inventories       [][2]string // kind and path, or the program
}

// Text is the configuration of the hosts, without what they must be.
func (s Scaffold) Text() string {
	var b strings.Builder
	b.WriteString("connection \"ssh\" \"discovered\" {\n")
	attr := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%s = %s\n", name, quote(value))
		}
	}
	attr("user", s.User)
	if s.Port != 0 {
		fmt.Fprintf(&b, "port = %d\n", s.Port)
	}
	attr("private_key_file", s.PrivateKeyFile)
	attr("known_hosts_file", s.KnownHostsFile)
	attr("become", s.Become)
	if s.BecomePasswordEnv != "" {
		fmt.Fprintf(&b, "become_password = secret::env(%s)\n", quote(s.BecomePasswordEnv))
	}
	b.WriteString("}\n")
	for _, h := range s.Hosts {
		fmt.Fprintf(&b, "\nhost %s {\nconnection = connection.ssh.discovered\n}\n", quote(h))
	}
	for i, v := range s.Inventories {
		fmt.Fprintf(&b, "\ninventory %s \"discovered_%d\" {\n", quote(v[0]), i+1)
		if v[0] == "exec" {
			fmt.Fprintf(&b, "command = [%s]\n", quote(v[1]))
		} else {
			fmt.Fprintf(&b, "path = %s\n", quote(v[1]))
		}
		b.WriteString("connection = connection.ssh.discovered\n}\n")
	}
	return b.String()
}

// Compose writes what hosts have as a configuration: what most share is the baseline
// of that name, and those that differ alike have one of their own that extends it.
// Silent names the hosts that gave no answer; the text stands at the top.
func Compose(text []byte, name string, list []Description, silent []string) []byte {
	c := composer{name: name}
	slices.SortFunc(list, func(a, b Description) int { return strings.Compare(a.Host, b.Host) })
	none := map[string][]string{}
	for _, d := range list {
		if d.NoAgent != "" {
			none[d.NoAgent] = append(none[d.NoAgent], d.Host)
		} else {
			c.hosts = append(c.hosts, d)
		}
	}
	c.common()
	c.group()
	c.head(silent, none)
	if len(text) > 0 {
		c.WriteString("\n" + string(text))
	}
	if len(c.hosts) > 0 {
		for i := range c.kinds {
			c.kind(i)
		}
	}
	return hclwrite.Format([]byte(c.String()))
}

// A composer writes the text of a discovery.
type composer struct {
	strings.Builder
	name   string // of what most have; the others' are numbered
	hosts  []Description
	shared map[Attribute]string
	kinds  []kind // of hosts; the first is those that have what most share
}

// A kind are hosts that differ alike from what most share. What they do not have of it is "null".
type kind struct {
	hosts   []Description
	differs map[Attribute]string
}

// common finds each attribute's most frequent value.
func (c *composer) common() {
	c.shared = map[Attribute]string{}
	for _, a := range attributeOrder() {
		counts := map[string]int{}
		for _, h := range c.hosts {
			counts[h.Has[a]]++
		}
		most := ""
		for _, value := range slices.Sorted(maps.Keys(counts)) {
			if counts[value] > counts[most] || (most == "" && counts[value] == counts[most]) {
				most = value
			}
		}
		if most != "" {
			c.shared[a] = most
		}
	}
}

// group puts hosts together that differ alike, the most first; those that do not
// differ come before all.
func (c *composer) group() {
	byText := map[string]*kind{"": {}}
	for _, h := range c.hosts {
		differs := map[Attribute]string{}
		for _, a := range attributeOrder() {
			if h.Has[a] != c.shared[a] {
				differs[a] = cmp.Or(h.Has[a], "null")
			}
		}
		text := blocks(differs)
		if byText[text] == nil {
			byText[text] = &kind{differs: differs}
		}
		byText[text].hosts = append(byText[text].hosts, h)
	}
	c.kinds = []kind{*byText[""]}
	delete(byText, "")
	for _, text := range slices.SortedFunc(maps.Keys(byText), func(a, b string) int {
		return cmp.Or(cmp.Compare(len(byText[b].hosts), len(byText[a].hosts)), strings.Compare(a, b))
	}) {
		c.kinds = append(c.kinds, *byText[text])
	}
}

func (c *composer) note(format string, args ...any) {
	for i, a := range args {
		if s, ok := a.(string); ok {
			args[i] = provider.Printable(s)
		}
	}
	fmt.Fprintf(c, "# "+format+"\n", args...)
}

// head says of which hosts this is, and of which not.
func (c *composer) head(silent []string, none map[string][]string) {
	c.note("What kepmctl discover found on %d of %d hosts. It asks for what they have: make it what", len(c.hosts), len(c.hosts)+len(silent)+count(none))
	c.note("they must have, with kepmctl controls, then see with kepmctl plan what that changes.")
	for _, why := range slices.Sorted(maps.Keys(none)) {
		c.note("Left out, %s: %s", why, firstOf(none[why], 10))
	}
	if len(silent) > 0 {
		c.note("Left out, no answer: %s", firstOf(silent, 10))
	}
}

func count(groups map[string][]string) (n int) {
	for _, hosts := range groups {
		n += len(hosts)
	}
	return n
}

// kind writes the baseline, the group and the assignment of some hosts.
func (c *composer) kind(i int) {
	k, name := c.kinds[i], c.name
	if i > 0 {
		name = fmt.Sprintf("%s_%d", c.name, i+1)
	}
	c.WriteString("\n")
	if i == 0 {
		c.note("What most hosts have; %d of %d have just this.", len(k.hosts), len(c.hosts))
		c.agents()
		fmt.Fprintf(c, "baseline %q {\n%s", name, blocks(c.shared))
	} else {
		var attrs []string
		for _, a := range attributeOrder() {
			if _, ok := k.differs[a]; ok {
				attrs = append(attrs, a.Name)
			}
		}
		c.note("%d of %d hosts, with another %s.", len(k.hosts), len(c.hosts), strings.Join(attrs, ", "))
		fmt.Fprintf(c, "baseline %q {\nextends = [baseline.%s]\n%s", name, c.name, blocks(k.differs))
	}
	c.leftOut(k)
	c.WriteString("}\n")
	if len(k.hosts) == 0 {
		return
	}
	var hosts []string
	for _, h := range k.hosts {
		hosts = append(hosts, h.Host)
	}
	fmt.Fprintf(c, "group %q {\nhosts = [%s]\n}\nassign %[1]q {\nbaseline = baseline.%[1]s\nto = [group.%[1]s]\n}\n", name, nameList(hosts))
}

// agents says which versions there are.
func (c *composer) agents() {
	versions := map[string]int{}
	for _, h := range c.hosts {
		versions[cmp.Or(h.Version, "of unknown version")]++
	}
	var parts []string
	for _, v := range slices.Sorted(maps.Keys(versions)) {
		parts = append(parts, fmt.Sprintf("%s on %d", v, versions[v]))
	}
	c.note("Agents: %s.", strings.Join(parts, ", "))
}

// leftOut says what hosts have that is not demanded of them.
func (c *composer) leftOut(k kind) {
	for _, a := range attributeOrder() {
		if _, differs := k.differs[a]; k.differs != nil && !differs {
			continue // as most hosts, where it was said
		}
		whys := map[string]int{}
		for _, h := range k.hosts {
			if why := h.Left[a]; why != "" {
				whys[why]++
			}
		}
		for _, why := range slices.Sorted(maps.Keys(whys)) {
			c.note("not asked for on %d of %d: %s", whys[why], len(k.hosts), why)
		}
	}
}

// nameList is hosts as a list of globs, some on a line.
func nameList(hosts []string) string {
	const most = 6
	if len(hosts) <= most {
		quoted := make([]string, len(hosts))
		for i, h := range hosts {
			quoted[i] = quote(h)
		}
		return strings.Join(quoted, ", ")
	}
	var b strings.Builder
	for chunk := range slices.Chunk(hosts, most) {
		b.WriteString("\n" + nameList(chunk) + ",")
	}
	return b.String() + "\n"
}

// quote is a text as an expression, which holds no template.
func quote(s string) string { return string(hclwrite.TokensForValue(cty.StringVal(s)).Bytes()) }
