package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/kepmctl/kepmctl/hcl"
	"github.com/kepmctl/kepmctl/plans"
	"github.com/kepmctl/kepmctl/plans/signature"
	"github.com/kepmctl/kepmctl/provider"
	"github.com/kepmctl/kepmctl/transport"
)

// sitePolicy is read by every kepmctl on a machine where it is there.
const sitePolicy = "/etc/kepmctl/policy" + hcl.Suffix

// refusedByRule says which rule of which policy forbids what was asked for.
func refusedByRule(p hcl.Policy, rule, format string, args ...any) error {
	return &exit{exitRefused, &advised{
		fmt.Errorf("the site policy %s refuses it, rule %s: %s", p.File, rule, fmt.Sprintf(format, args...)),
		"whoever looks after this machine decides on its policy",
	}}
}

// readPolicies reads the machine's policy and the one that a flag names; both count.
func (a *app) readPolicies() error {
	for _, path := range []string{a.sitePolicy, a.policy} {
		if path == "" {
			continue
		}
		p, err := a.readPolicy(path)
		if errors.Is(err, fs.ErrNotExist) && path == a.sitePolicy {
			continue
		}
		if err != nil {
			return &exit{exitRefused, fmt.Errorf("the site policy %s cannot be relied on: %w: no host was touched", path, err)}
		}
		a.policies = append(a.policies, *p)
	}
	return nil
}

func (a *app) readPolicy(path string) (*hcl.Policy, error) {
	for _, at := range []string{path, filepath.Dir(path)} {
		info, err := os.Lstat(at)
		if err != nil {
			return nil, err
		}
		owner, known := info.Sys().(*syscall.Stat_t)
		switch {
		case at == path && !info.Mode().IsRegular():
			return nil, errors.New("it is no regular file")
		case info.Mode().Perm()&0o022 != 0 && (at == path || info.Mode()&fs.ModeSticky == 0):
			return nil, fmt.Errorf("others may write %s (%s): chmod go-w it", at, info.Mode())
		case known && owner.Uid != 0 && int(owner.Uid) != os.Getuid():
			return nil, fmt.Errorf("%s belongs to another user", at)
		}
	}
	src, err := readFile(path, 1<<20)
	if err != nil {
		return nil, err
	}
	p, diags := hcl.ReadPolicy(path, src)
	a.tell(diags)
	if err := diags.Write(a.err, 100, a.color(a.errTerminal)); err != nil {
		return nil, err
	}
	if p == nil {
		return nil, fmt.Errorf("it has %s", number(diags.Errors(), "error", "errors"))
	}
	for _, line := range p.SignedBy {
		if _, err := signature.ParseKey(line); err != nil {
			return nil, fmt.Errorf("signed_by %.60q: %w", line, err)
		}
	}
	return p, nil
}

// mayRun is the file of a program that the policies let a configuration run; empty:
// no policy says anything about programs. What was looked at is what must be run.
func (a *app) mayRun(name string) (file string, err error) {
	for _, p := range a.policies {
		if p.AnyProgram {
			continue
		}
		path := name
		if !strings.Contains(name, "/") {
			path, err = exec.LookPath(name)
		} else if !filepath.IsAbs(name) {
			path = a.dir() + "/" + name // not cleaned: ".." behind a link is where the link leads
		}
		if err == nil {
			file, err = filepath.EvalSymlinks(path)
		}
		if err != nil || !slices.ContainsFunc(p.Programs, func(allowed string) bool {
			real, err := filepath.EvalSymlinks(allowed)
			return err == nil && real == file
		}) {
			return "", refusedByRule(p, "programs", "the configuration wants to run %q", name)
		}
	}
	return file, nil
}

// mayReach says whether the policies let hosts be reached as the configuration says.
func (a *app) mayReach(goals []provider.Goal) error {
	for _, p := range a.policies {
		if !slices.Contains(p.Forbid, "accept_new") {
			continue
		}
		for _, g := range goals {
			for c := &g.Host.Connection; c != nil; c = c.Via {
				if c.HostKeys == transport.HostKeysAcceptNew {
					return refusedByRule(p, "accept_new", "%s accepts host keys that nobody has seen", c.Reference())
				}
			}
		}
	}
	return nil
}

// mayApprove says whether the policies let hosts be changed without asking.
func (a *app) mayApprove(f approveFlags) error {
	for _, p := range a.policies {
		if f.approve && slices.Contains(p.Forbid, "auto_approve") {
			return refusedByRule(p, "auto_approve", "--auto-approve asks nobody")
		}
	}
	return nil
}

// mayChange says whether the policies let a plan change so many hosts, and whether it is
// signed as they demand. Path is where it was kept; empty: nowhere.
func (a *app) mayChange(p *plans.Plan, r planned, path string, text []byte) error {
	of := len(r.config.Goals) // of what is assigned now: the plan may say anything
	if r.selection != nil {
		of = r.selection.OfHosts
	}
	for _, policy := range a.policies {
		if policy.MaxHosts != nil {
			if n, most := p.Summary().Change, max(1, policy.MaxHosts.Of(of)); n > most {
				return refusedByRule(policy, "max_hosts", "the plan changes %d of %d hosts, and a run may change %d (%s)", n, of, most, policy.MaxHosts)
			}
		}
		if policy.SignedBy != nil {
			if err := signed(policy, path, text); err != nil {
				return err
			}
		}
	}
	return nil
}

// signed says whether enough of a policy's people signed a kept plan.
func signed(policy hcl.Policy, path string, text []byte) error {
	const rule = "signed_by"
	if path == "" {
		return refusedByRule(policy, rule, "only signed plans are carried out: kepmctl plan --out FILE, kepmctl plan sign FILE, kepmctl apply FILE")
	}
	keys, err := signersOf(path, text)
	if err != nil {
		return refusedByRule(policy, rule, "%s", err)
	}
	n, counted := 0, map[string]bool{}
	for _, line := range policy.SignedBy {
		key, err := signature.ParseKey(line)
		if err != nil || counted[string(key.Marshal())] {
			continue
		}
		counted[string(key.Marshal())] = true
		if slices.ContainsFunc(keys, func(k signature.PublicKey) bool { return string(k.Marshal()) == string(key.Marshal()) }) {
			n++
		}
	}
	if n < policy.Signatures {
		return refusedByRule(policy, rule, "%s is signed by %d of the people it names, and must be by %d", path, n, policy.Signatures)
	}
	return nil
}

// maySkipFile says whether the policies let hosts be changed without a kept plan.
func (a *app) maySkipFile() error {
	for _, policy := range a.policies {
		if policy.SignedBy != nil {
			return signed(policy, "", nil)
		}
	}
	return nil
}

// signersOf are the keys that signed a kept plan of these bytes.
func signersOf(path string, plan []byte) ([]signature.PublicKey, error) {
	signatures, err := readFile(path+signature.Suffix, 1<<20)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s is not signed: there is no %s%s", path, path, signature.Suffix)
	}
	if err != nil {
		return nil, fmt.Errorf("read the signatures: %w", err)
	}
	keys, err := signature.Signers(plan, signatures)
	if err != nil {
		return nil, fmt.Errorf("%s%s: %w", path, signature.Suffix, err)
	}
	return keys, nil
}
