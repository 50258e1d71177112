package simfleet

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	_ "embed"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/crypto/ssh"
)

// keys are the fleet's: one for all hosts, another for those whose key is wrong, and
// the one that may log in.
type keys struct {
	host, other ssh.Signer
	login       ssh.PublicKey
	private     []byte // of login, PEM
}

func makeKeys() (keys, error) {
	var k keys
	var err error
	if k.host, err = newSigner(); err != nil {
		return k, err
	}
	if k.other, err = newSigner(); err != nil {
		return k, err
	}
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return k, err
	}
	block, err := ssh.MarshalPrivateKey(private, "kepmlab fleet")
	if err != nil {
		return k, err
	}
	k.private = pem.EncodeToMemory(block)
	k.login, err = ssh.NewPublicKey(private.Public())
	return k, err
}

func newSigner() (ssh.Signer, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	return ssh.NewSignerFromKey(private)
}

func (k keys) config(key ssh.Signer, allow bool) *ssh.ServerConfig {
	c := &ssh.ServerConfig{PublicKeyCallback: func(_ ssh.ConnMetadata, offered ssh.PublicKey) (*ssh.Permissions, error) {
		if allow && bytes.Equal(offered.Marshal(), k.login.Marshal()) {
			return &ssh.Permissions{}, nil
		}
		return nil, errors.New("not this key")
	}}
	c.AddHostKey(key)
	return c
}

func (k keys) server() *ssh.ServerConfig   { return k.config(k.host, true) }
func (k keys) stranger() *ssh.ServerConfig { return k.config(k.other, true) }
func (k keys) deaf() *ssh.ServerConfig     { return k.config(k.host, false) }

//go:embed fleet.kepm.hcl
var configuration []byte

// perFile is how many hosts one file of the configuration holds; more than inBlocks
// are a table, for nobody writes so many blocks.
const (
	perFile  = 2000
	inBlocks = 20_000
)

// write writes the configuration, the key and known_hosts.
func (f *Fleet) write(k keys) error {
	dir := f.options.Dir
	if err := os.WriteFile(filepath.Join(dir, "id_ed25519"), k.private, 0o600); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "fleet.kepm.hcl"), configuration, 0o600); err != nil {
		return err
	}
	var known bytes.Buffer
	line := string(ssh.MarshalAuthorizedKey(k.host.PublicKey()))
	for _, h := range f.hosts {
		fmt.Fprintf(&known, "[%s]:%d %s", h.address, f.options.Port, line)
	}
	if err := os.WriteFile(filepath.Join(dir, "known_hosts"), known.Bytes(), 0o600); err != nil {
		return err
	}
	if len(f.hosts) > inBlocks {
		return f.writeTable(dir)
	}
	for at := 0; at < len(f.hosts); at += perFile {
		name := fmt.Sprintf("hosts-%03d.kepm.hcl", at/perFile+1)
		if err := f.writeHosts(filepath.Join(dir, name), at, min(at+perFile, len(f.hosts))); err != nil {
			return err
		}
	}
	return nil
}

// labelsOf are a host's labels: site, ring, env and cluster.
func labelsOf(n int) [4]string {
	return [4]string{[]string{"par1", "fra2", "nyc3"}[n%3], strconv.Itoa(n % 10), []string{"prod", "prod", "test"}[n%3], fmt.Sprintf("c%03d", n/20)}
}

// writeTable writes the hosts as an inventory.
func (f *Fleet) writeTable(dir string) error {
	var table bytes.Buffer
	table.WriteString("name,address,port,os,site,ring,env,cluster\n")
	for n, h := range f.hosts {
		l := labelsOf(n)
		fmt.Fprintf(&table, "%s,%s,%d,linux,%s,%s,%s,%s\n", h.name, h.address, f.options.Port, l[0], l[1], l[2], l[3])
	}
	const block = "inventory \"csv\" \"fleet\" {\n  path       = \"hosts.csv\"\n  connection = connection.ssh.fleet\n}\n"
	return errors.Join(
		os.WriteFile(filepath.Join(dir, "hosts.csv"), table.Bytes(), 0o600),
		os.WriteFile(filepath.Join(dir, "hosts.kepm.hcl"), []byte(block), 0o600))
}

func (f *Fleet) writeHosts(path string, from, to int) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(file)
	for i, h := range f.hosts[from:to] {
		l := labelsOf(from + i)
		fmt.Fprintf(w, `host %q {
  address    = %q
  port       = %d
  os         = "linux"
  labels     = { site = %q, ring = %q, env = %q, cluster = %q }
  connection = connection.ssh.fleet
}
`, h.name, h.address, f.options.Port, l[0], l[1], l[2], l[3])
	}
	return errors.Join(w.Flush(), file.Close())
}

// raiseFiles lets the process have a socket for each host, and as many again for
// connections.
func raiseFiles(hosts int) error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("ask how many files may be open: %w", err)
	}
	wants := uint64(hosts + 2048)
	if limit.Max < wants {
		return fmt.Errorf("%d hosts need %d open files, and this shell allows %d: try fewer hosts, or raise it with ulimit -n", hosts, wants, limit.Max)
	}
	limit.Cur = max(limit.Cur, wants)
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("raise how many files may be open: %w", err)
	}
	return nil
}
