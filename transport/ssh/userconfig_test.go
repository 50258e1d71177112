package ssh

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/kepmctl/kepmctl/transport"
)

// resolved is what is settled for a machine, in the words of ssh -G.
func resolved(t *testing.T, d *Dialer, host string, h *hop) string {
	t.Helper()
	said, err := d.lookUp(host, "")
	if err != nil {
		t.Fatal(err)
	}
	machine, port, _ := net.SplitHostPort(h.address)
	var b strings.Builder
	fmt.Fprintf(&b, "hostname %s\nuser %s\nport %s\n", machine, h.how.User, port)
	for _, k := range said.keys {
		fmt.Fprintf(&b, "identityfile %s\n", k)
	}
	for _, c := range said.certificates {
		fmt.Fprintf(&b, "certificatefile %s\n", c)
	}
	if said.jump != "" {
		fmt.Fprintf(&b, "proxyjump %s\n", said.jump)
	}
	if said.known != nil {
		fmt.Fprintf(&b, "userknownhostsfile %s\n", orDefault(strings.Join(h.known, " "), "none"))
	}
	if h.alias != "" {
		fmt.Fprintf(&b, "hostkeyalias %s\n", h.alias)
	}
	return b.String()
}

// sshG is what ssh would do, without what it does by default.
func sshG(t *testing.T, file, host string) string {
	t.Helper()
	out, err := exec.Command("ssh", "-G", "-F", file, host).CombinedOutput()
	if err != nil {
		t.Fatalf("ssh -G: %v: %s", err, out)
	}
	defaults, err := exec.Command("ssh", "-G", "-F", "none", host).Output()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, key := range []string{"hostname", "user", "port", "identityfile", "certificatefile", "proxyjump", "userknownhostsfile", "hostkeyalias"} {
		for line := range strings.SplitSeq(string(out), "\n") {
			always := key == "hostname" || key == "user" || key == "port"
			if strings.HasPrefix(line, key+" ") && (always || !slices.Contains(strings.Split(string(defaults), "\n"), line)) {
				b.WriteString(line + "\n")
			}
		}
	}
	return b.String()
}

// ordinary is configurations that can be obeyed, for an account on this machine.
func ordinary(me string) map[string]string {
	return map[string]string{
		"empty":             "",
		"plain":             "Host web\n  HostName 10.0.0.1\n  User deploy\n  Port 2222\n  IdentityFile ~/.ssh/web\n",
		"other host":        "Host db\n  User deploy\n",
		"first counts":      "User one\nHost web\n  User two\n  Port 1\nHost *\n  Port 2\n",
		"key files add up":  "IdentityFile a\nHost web\n  IdentityFile b\n  IdentityFile a\n  IdentityFile none\n",
		"tokens":            "Host w*\n  HostName %h.Example.COM\n  IdentityFile ~/.ssh/%h_%r_%p_%n_%k_%%\n  UserKnownHostsFile %d/known_%h ~/b%u\n  HostKeyAlias web-alias\n",
		"wildcards":         "Host w?b\n  User q\nHost w??b\n  User no\nHost *e*\n  Port 7\n",
		"question is one":   "Host web?\n  User no\nHost ?web\n  User no\n",
		"negation":          "Host * !web\n  User no\nHost !db *\n  User yes\n",
		"only negation":     "Host !db\n  User no\n",
		"case counts":       "Host WEB\n  User no\nhOsT web\n  uSeR yes\n",
		"equals":            "Host=web\n  User=deploy\n  Port = 99\n  IdentityFile =\"a b\"\n",
		"quotes":            "Host \"web\" 'x y'\n  IdentityFile \"/a b/c\"\n  IdentityFile '/q\"q'\n  IdentityFile /e\\ f\n  IdentityFile \"/g\\\"h\"\n  IdentityFile /i\\j\n",
		"comments":          "# Host web\n\t # x\nHost web # all of it\n  User deploy # him\n  IdentityFile /a#b\n",
		"carriage returns":  "Host web\r\n  User deploy\r\n",
		"no last newline":   "Host web\n  User deploy",
		"jump":              "Host web\n  ProxyJump ops@jump:2222,[::1]:22\nHost *\n  ProxyJump other\n",
		"jump none":         "Host web\n  ProxyJump none\nHost *\n  ProxyJump other\n",
		"no command":        "Host web\n  ProxyCommand none\n  ProxyJump jump\n",
		"known files":       "UserKnownHostsFile ~/a \"/b c/d\"\nUserKnownHostsFile /e\n",
		"known none":        "UserKnownHostsFile none\n",
		"match all":         "Match all\n  User yes\n",
		"match host":        "Host web\n  HostName real.example\nMatch host real.example\n  User yes\nMatch host web\n  Port 1\n",
		"match before name": "Match host real.example\n  User no\nHost web\n  HostName real.example\n",
		"match original":    "HostName real.example\nMatch originalhost web,db\n  User yes\nMatch !originalhost web\n  Port 1\n",
		"match list":        "Match host w*,!web\n  User no\nMatch originalhost !db,*\n  Port 3\n",
		"match user":        "Host web\n User deploy\nMatch user deploy\n  Port 3\nMatch user root\n  HostName no\n",
		"match local user":  "Match localuser " + me + " host WEB\n  User yes\nMatch localuser nobody-else\n  Port 4\n",
		"match equals":      "Match host=web\n  User yes\n",
		"match comment":     "Match host web # here\n  User yes\n",
		"match elsewhere":   "Match host db exec \"false\"\n  User no\nMatch !all\n  Port 1\n",
		"include":           "Include CONF/one CONF/none CONF/g*\nHost web\n  Port 5\n",
		"include in host":   "Host db\n  Include CONF/one\nHost web\n  Include CONF/two\n  Port 6\n",
		"include selects":   "Include CONF/db\nUser me2\nPort 8\n",
		"unknown words":     "Host web\n  ServerAliveInterval 5\n  Compression yes\n  User deploy\n",
		"canonical off":     "CanonicalizeHostname no\nCanonicalizeHostname always\nUser deploy\n",
	}
}

// OpenSSH's own client is the judge of what a configuration means.
func TestLikeOpenSSH(t *testing.T) {
	if _, err := exec.LookPath("ssh"); err != nil {
		t.Skip("LEFT OUT: OpenSSH's client is not installed, nothing here was compared with it")
	}
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range ordinary(me.Username) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			home := t.TempDir()
			for file, included := range map[string]string{
				"one": "User one\nHost nothing\n  User no\n", "two": "Host web\n  User two\n", "g1": "IdentityFile g1\n", "g2": "IdentityFile g2\n", "db": "Host db\n  User no\n",
			} {
				write(t, filepath.Join(home, file), included)
			}
			file := filepath.Join(home, "config")
			write(t, file, strings.ReplaceAll(text, "CONF", home))
			d := &Dialer{Home: me.HomeDir, User: me.Username, ConfigFile: file}
			h, err := d.settle(transport.Connection{}, "web", true, 0)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := resolved(t, d, "web", h), sshG(t, file, "web"); got != want {
				t.Errorf("it came to\n%s\nssh says\n%s", got, want)
			}
		})
	}
}

// config is a dialer with a configuration of its own.
func config(t *testing.T, text string) *Dialer {
	t.Helper()
	d := &Dialer{Home: t.TempDir(), User: "me", AgentSocket: "/agent", ConfigFile: "~/.ssh/config"}
	write(t, d.path(d.ConfigFile), text)
	return d
}

func TestConfigRefused(t *testing.T) {
	for name, tt := range map[string]struct{ text, want string }{
		"command of a jump":   {"Host web\n  ProxyJump gate\nHost gate\n  ProxyCommand nc\n", "through connection.. (gate): "},
		"command":             {"Host w*\n  ProxyCommand nc %h %p\n", "config:2: ProxyCommand"},
		"match exec":          {"\nMatch exec true\n", "config:2: Match exec"},
		"match exec and host": {"Match host web exec \"x y\" user me\n", "config:1: Match exec"},
		"match all and more":  {"Match all host web\n", "alone"},
		"match final":         {"Match final\n", "Match final"},
		"match final all":     {"Match canonical all\n", "Match canonical"},
		"match tagged":        {"Match tagged x\n", "Match tagged"},
		"canonical":           {"CanonicalizeHostname yes\n", "CanonicalizeHostname"},
		"revoked keys":        {"RevokedHostKeys /k\n", "RevokedHostKeys"},
		"token":               {"IdentityFile ~/%C\n", "config:1: identityfile: %C is not known"},
		"lone percent":        {"UserKnownHostsFile ~/%\n", "userknownhostsfile"},
		"variable":            {"IdentityFile ${KEYS}/a\n", "identityfile"},
		"user's home":         {"CertificateFile ~bob/a\n", "certificatefile"},
		"host token":          {"HostName %p\n", "hostname: %p"},
		"port":                {"Port 0\n", "is no port"},
		"port words":          {"Port ssh\n", "is no port"},
		"jump":                {"ProxyJump a:b\n", "config:1"},
		"quote":               {"User \"me\n", "quotation mark"},
		"two values":          {"User a b\n", "more than one"},
		"no value":            {"\n\nUser\n", "config:3: the value is missing"},
		"nul":                 {"User a\x00b\n", "NUL"},
		"itself":              {"Include config\n", "include each other"},
		"loop":                {"ProxyJump web\n", "in a circle"},
		"user token":          {"User %h\n", "tokens in User"},
	} {
		t.Run(name, func(t *testing.T) {
			d := config(t, tt.text)
			fails(t, d, transport.Host{Name: "web", Address: "web"}, transport.ErrUnreachable, tt.want)
		})
	}
	t.Run("writable by others", func(t *testing.T) {
		d := config(t, "User x\n")
		if err := os.Chmod(d.path(d.ConfigFile), 0o666); err != nil {
			t.Fatal(err)
		}
		fails(t, d, transport.Host{Address: "web"}, transport.ErrUnreachable, "mode 0666", "chmod go-w")
	})
	t.Run("included, writable by others", func(t *testing.T) {
		d := config(t, "Include more\n")
		write(t, d.path("~/.ssh/more"), "User x\n")
		if err := os.Chmod(d.path("~/.ssh/more"), 0o602); err != nil {
			t.Fatal(err)
		}
		fails(t, d, transport.Host{Address: "web"}, transport.ErrUnreachable, "more: somebody else")
	})
	t.Run("a directory", func(t *testing.T) {
		d := &Dialer{Home: t.TempDir(), ConfigFile: "~/"}
		fails(t, d, transport.Host{Address: "web"}, transport.ErrUnreachable, "no regular file")
	})
}

// What the connection says counts; the configuration only fills the gaps, and
// never weakens.
func TestConfigFillsGaps(t *testing.T) {
	text := "Host *\n User cfg\n Port 99\n HostName real\n IdentityFile ~/k-%h\n CertificateFile ~/c\n IdentitiesOnly yes\n IdentityAgent ~/a\n" +
		" UserKnownHostsFile ~/kh\n HostKeyAlias al\n StrictHostKeyChecking yes\nHost web\n ProxyJump jump\n"
	d := config(t, text)
	settle := func(c transport.Connection, onlyName bool) *hop {
		h, err := d.settle(c, "web", onlyName, 0)
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	h := settle(transport.Connection{Kind: "ssh", Name: "ops", HostKeys: transport.HostKeysAcceptNew}, true)
	if h.address != "real:99" || h.how.User != "cfg" || h.keys[0].path != "~/k-real" || len(h.keys) != 1 || h.certificates[0] != "~/c" ||
		!h.onlyNamed || h.agentSocket != d.path("~/a") || h.known[0] != d.path("~/kh") || h.alias != "al" ||
		h.how.HostKeys != transport.HostKeysStrict || h.via == nil || h.via.Address != "jump" || h.via.User != "" {
		t.Errorf("a silent connection: %+v", h)
	}
	h = settle(transport.Connection{
		User: "own", Port: 7, PrivateKeyFile: "pk", KnownHostsFile: "own-known", Agent: true,
		Via: &transport.Connection{Address: "own-jump"},
	}, false)
	if h.address != "web:7" || h.how.User != "own" || len(h.keys) != 1 || h.keys[0].path != "pk" || h.onlyNamed || h.known[0] != "own-known" || h.via.Address != "own-jump" {
		t.Errorf("a connection that says it: %+v", h)
	}
	password := transport.Connection{Password: passwordRef}
	if h = settle(password, true); len(h.keys)+len(h.certificates) > 0 || h.agentFirst || !h.via.Password.IsZero() {
		t.Errorf("a password: %+v", h)
	}
	d = config(t, "StrictHostKeyChecking no\nIdentityAgent none\nUserKnownHostsFile none\n")
	if h = settle(transport.Connection{}, true); h.how.HostKeys == transport.HostKeysAcceptNew || h.agentSocket != "" || len(h.known) != 0 {
		t.Errorf("weaker: %+v", h)
	}
	d = config(t, "IdentityAgent $SSH_AUTH_SOCK\n")
	if h = settle(transport.Connection{}, true); h.agentSocket != "/agent" {
		t.Errorf("the agent there is: %+v", h)
	}
	d.ConfigFile = "~/absent"
	if h = settle(transport.Connection{}, true); h.address != "web:22" {
		t.Errorf("no file: %+v", h)
	}
}

// With IdentitiesOnly the agent may show what the configuration names, by the
// private file, encrypted or not, or by the public one.
func TestIdentitiesOnly(t *testing.T) {
	s := &server{}
	d, h := s.start(t)
	h.Connection = transport.Connection{}
	d.ConfigFile = "~/config"
	keyring := agent.NewKeyring()
	d.AgentSocket = startAgent(t, keyring)
	var offered []string
	s.accept = func(k ssh.PublicKey) bool { offered = append(offered, fingerprint(k)); return false }
	for name, passphrase := range map[string]string{"other": "", "open": "", "closed": "opensesame"} {
		if err := keyring.Add(agent.AddedKey{PrivateKey: writeKey(t, d.path("~/"+name), passphrase)}); err != nil {
			t.Fatal(err)
		}
	}
	closed := publicHalf(d.path("~/closed"))
	if closed == nil {
		t.Fatal("an encrypted key hides its public half")
	}
	write(t, d.path("~/public.pub"), string(ssh.MarshalAuthorizedKey(closed)))
	for _, file := range []string{"closed", "public", "public.pub"} {
		offered = nil
		d.configs = cache[string, []directive]{}
		write(t, d.path("~/config"), "IdentitiesOnly yes\nIdentityFile ~/"+file+"\n")
		if err := os.Chmod(d.path("~/config"), 0o600); err != nil {
			t.Fatal(err)
		}
		fails(t, d, h, transport.ErrAuth, "agent (1 keys)")
		if want := []string{fingerprint(closed)}; !slices.Equal(offered, want) {
			t.Errorf("%s: offered %q, want %q", file, offered, want)
		}
	}
}

// A configuration reaches through to the login: an alias for the host key, the
// key file, and a machine in between with an entry of its own.
func TestConfigEndToEnd(t *testing.T) {
	jump, target := &server{}, &server{}
	d, h := behind(t, jump, target)
	via := h.Connection.Via
	key := strings.Fields(readFile(t, d.path("~/.ssh/known_hosts")))
	write(t, d.path("~/known"), "target-key "+key[4]+" "+key[5]+"\n")
	if err := os.Rename(d.path("~/.ssh/id_ed25519"), d.path("~/named")); err != nil {
		t.Fatal(err)
	}
	write(t, d.path("~/.ssh/config"), fmt.Sprintf(
		"Host app\n HostName 127.0.0.1\n Port %d\n UserKnownHostsFile ~/known\n HostKeyAlias target-key\n ProxyJump gate\nHost gate\n HostName 127.0.0.1\n Port %d\n User gatekeeper\nHost *\n IdentityFile ~/named\n",
		h.Port, via.Port))
	d.ConfigFile = "~/.ssh/config"
	c := dial(t, d, transport.Host{Name: "app", Address: "app", Connection: transport.Connection{Kind: "ssh", Name: "ops", User: "ops"}})
	if out, err := say(t.Context(), c, "echo there", false); out != "there\n" || err != nil {
		t.Errorf("it said %q, %v", out, err)
	}
	if jump.dialled() != 1 || target.dialled() != 1 {
		t.Error("not through the machine in between")
	}
}

func FuzzConfig(f *testing.F) {
	for _, s := range []string{
		"Host a\n User b", "Match host a,!b exec \"x\"\n", "Include x\nHost *\nIdentityFile ~/%h\n", "ProxyJump a,b:1\nPort 2\n", "User \"a\\\"b\" # c\n", "HostName=%h%%",
		"Match !all", "Match final host a", "Host !a *\nUserKnownHostsFile a b\n",
	} {
		f.Add(s, "a")
	}
	f.Fuzz(func(t *testing.T, text, host string) {
		d := &Dialer{Home: "/nonexistent", User: "u", ConfigFile: "/nonexistent/config"}
		lines, err := parseConfig(d.ConfigFile, []byte(text))
		_, _ = d.configs.get(d.ConfigFile, func() ([]directive, error) { return lines, err })
		h, err := d.settle(transport.Connection{Kind: "ssh", Name: "x"}, host, true, 0)
		if err != nil {
			if e, ok := errors.AsType[*transport.Error](err); !ok || strings.ContainsAny(err.Error(), "\x00\x1b\n") && !strings.ContainsAny(host, "\x00\x1b\n") {
				t.Errorf("the error %q (%T)", err, e)
			}
			return
		}
		if h.how.Port < 1 || h.how.Port > 65535 || h.how.User == "" || h.how.HostKeys == transport.HostKeysAcceptNew {
			t.Errorf("settled as %+v", h)
		}
	})
}
