package provider_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kepmctl/kepmctl/provider"
)

const (
	wasSettings  = "{\n  // ours\n  \"AllowedHosts\": \"*\",\n  \"Other\": 1\n}"
	madeSettings = "{\n  // ours\n  \"AllowedHosts\": \"localhost;127.0.0.1\",\n  \"Other\": 1\n}"
)

// What a run changed is put back by address: byte by byte where nobody wrote since,
// and not at all where somebody changed the same.
func TestRestore(t *testing.T) {
	taken := []provider.Change{
		{Control: "allowed_hosts", Attr: "AllowedHosts", Action: provider.Modify, From: `"localhost;127.0.0.1"`, To: `"*"`, Effect: provider.Restart},
		{Control: `permissions["Jobs"]`, Attr: "access", Action: provider.Modify, To: "owner root, administrators rwx, users rwx"},
	}
	kept := provider.Kept{
		Ending: provider.Committed, Root: root, Permissions: true,
		Files: []provider.FileEdit{{Path: root + "/appsettings.json", Was: []byte(wasSettings), Bytes: []byte(madeSettings)}},
	}
	for name, c := range map[string]struct {
		now     string // appsettings.json
		open    bool   // Jobs is open again
		kept    func(*provider.Kept)
		changes []provider.Change
		put     string // what appsettings.json becomes; empty: it is left alone
		back    bool
		stale   string
		err     string
	}{
		"as it was made":   {now: madeSettings, put: wasSettings, back: true},
		"as it was before": {now: wasSettings, back: true},
		"another key changed since": {
			now: strings.Replace(madeSettings, "1\n", "2\n", 1), put: strings.Replace(wasSettings, "1\n", "2\n", 1), back: true,
		},
		"the same key changed since": {now: strings.Replace(madeSettings, "127.0.0.1", "evil", 1), stale: `allowed_hosts is now "localhost;evil"`},
		"permissions changed since":  {now: madeSettings, open: true, stale: `permissions["Jobs"] is now`},
		"nothing is kept":            {now: madeSettings, kept: func(k *provider.Kept) { *k = provider.Kept{} }, err: "no longer keeps"},
		"it was undone":              {now: madeSettings, kept: func(k *provider.Kept) { k.Ending = provider.Undone }, err: "no longer keeps"},
		"of another root":            {now: madeSettings, kept: func(k *provider.Kept) { k.Root = "/opt/other" }, err: "no longer keeps"},
		"the file was right":         {now: madeSettings, kept: func(k *provider.Kept) { k.Files = nil }, back: true},
		"the rights were right":      {now: madeSettings, kept: func(k *provider.Kept) { k.Permissions = false }, put: wasSettings},
		"what is kept is broken":     {now: madeSettings, kept: func(k *provider.Kept) { k.Files[0].Was = []byte("{") }, err: "the earlier appsettings.json"},
		"a service": {
			now: madeSettings, changes: []provider.Change{{Control: "service_at_boot"}}, err: "service_at_boot cannot be taken back",
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := hardened()
			f.Settings.Bytes = []byte(c.now)
			f.Rows[1].Access.Users = 0
			if c.open {
				f.Rows[1].Access.Users = provider.Write
			}
			k := kept
			k.Files = append([]provider.FileEdit{}, kept.Files...)
			if c.kept != nil {
				c.kept(&k)
			}
			g := provider.Goal{Wants: []provider.Want{hosts, jobs}}
			if c.changes == nil {
				c.changes = taken
			}
			tx, stale, err := provider.Restore(g, provider.Look{Facts: f}, k, c.changes, "new", "old", "me")
			if (err == nil) != (c.err == "") || (err != nil && !strings.Contains(err.Error(), c.err)) || !strings.Contains(stale, c.stale) || (stale == "") != (c.stale == "") {
				t.Fatalf("stale %q, error %v", stale, err)
			}
			if err != nil || stale != "" {
				return
			}
			put := ""
			if len(tx.Files) == 1 {
				put = string(tx.Files[0].Bytes)
			}
			if d := cmp.Diff(c.put, put); d != "" || (tx.Back == "old") != c.back || tx.Service.Restart != (put != "") {
				t.Errorf("%s\n%+v", d, tx)
			}
			if put == "" {
				return
			}
			after := f
			after.Settings.Bytes = []byte(put)
			for _, a := range []provider.Facts{after, f} {
				proof := provider.ProveRestored(g, provider.Look{Facts: f}, provider.Look{Facts: a}, tx.Files, tx.Changes)
				if holds := string(a.Settings.Bytes) == put; proof.Holds() != holds {
					t.Errorf("the proof is %+v, and the file was put back: %v", proof, holds)
				}
			}
		})
	}
}

// A change that is reversed twice is itself.
func TestReversed(t *testing.T) {
	for _, c := range []provider.Change{
		{Control: "log_level", Action: provider.Add, To: "x"}, {Control: "log_level", Action: provider.Remove, From: "x"}, {Control: "log_level", Action: provider.Modify, From: "x", To: "y"},
	} {
		if r := c.Reversed(); r.Reversed() != c || r == c || r.From != c.To {
			t.Errorf("%+v: %+v", c, r)
		}
	}
}
