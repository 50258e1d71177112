package plans

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/kepmctl/kepmctl/provider"
)

const maxPlan = 512 << 20 // bytes of a plan document

// ErrAltered says that a plan document is not the one that was written.
var ErrAltered = errors.New("its checksum does not match: it was cut off or edited")

// Encode is the plan as a document. The same plan gives the same bytes.
func (p *Plan) Encode() ([]byte, error) {
	sealed := *p
	sum, err := p.sum()
	if err != nil {
		return nil, err
	}
	sealed.Checksum = sum
	b, err := json.MarshalIndent(&sealed, "", " ")
	if err != nil {
		return nil, fmt.Errorf("write the plan: %w", err)
	}
	return append(b, '\n'), nil
}

// sum is the checksum over the plan without its checksum.
func (p *Plan) sum() (string, error) {
	open := *p
	open.Checksum = ""
	b, err := json.Marshal(&open)
	if err != nil {
		return "", fmt.Errorf("write the plan: %w", err)
	}
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:]), nil
}

// Decode reads a plan document, which is hostile input: it is capped, its version
// and checksum must fit, and everything it names must be known.
func Decode(r io.Reader) (*Plan, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxPlan+1))
	if err != nil {
		return nil, fmt.Errorf("read the plan: %w", err)
	}
	if len(b) > maxPlan {
		return nil, fmt.Errorf("read the plan: it is larger than %d MiB", maxPlan>>20)
	}
	var version struct {
		FormatVersion string `json:"format_version"`
	}
	if err := json.Unmarshal(b, &version); err != nil {
		return nil, fmt.Errorf("read the plan: it is not a plan of kepmctl, or was cut off: %w", err)
	}
	if major, _, _ := strings.Cut(version.FormatVersion, "."); major != "1" {
		return nil, fmt.Errorf("read the plan: its format version is %.20q, this program reads %s: make a new plan", version.FormatVersion, FormatVersion)
	}
	p := &Plan{}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(p); err != nil {
		return nil, fmt.Errorf("read the plan: %w", err)
	}
	if d.More() {
		return nil, errors.New("read the plan: something follows its end")
	}
	if err := p.compact(); err != nil {
		return nil, err
	}
	if sum, err := p.sum(); err != nil || sum != p.Checksum {
		return nil, fmt.Errorf("read the plan: %w", ErrAltered)
	}
	return p, p.validate()
}

// compact brings the values of wants to their canonical text again: the document
// is written with line breaks inside them.
func (p *Plan) compact() error {
	for i := range p.Baselines {
		for j, w := range p.Baselines[i].Wants {
			var b bytes.Buffer
			if err := json.Compact(&b, w.Value); err != nil {
				return fmt.Errorf("read the plan: the value of %.60q is not JSON", w.Control)
			}
			p.Baselines[i].Wants[j].Value = b.Bytes()
		}
	}
	return nil
}

// validate looks every name of the plan up, and every index.
func (p *Plan) validate() error {
	if s := p.Selection; s != nil && (s.Hosts != len(p.Hosts) || s.OfHosts < s.Hosts || s.Controls < 0 || s.OfControls < s.Controls) {
		return errors.New("read the plan: its selection is not of the hosts it holds")
	}
	for _, b := range p.Baselines {
		if err := b.Options.validate(); err != nil {
			return err
		}
		for _, w := range b.Wants {
			if err := w.provider().Validate(); err != nil {
				return fmt.Errorf("read the plan: %s", provider.Printable(err.Error()))
			}
		}
	}
	last := ""
	for _, h := range p.Hosts {
		if h.Name == "" || h.Name <= last {
			return fmt.Errorf("read the plan: host %.60q is out of order or named twice", h.Name)
		}
		last = h.Name
		if h.Baseline < 0 || h.Baseline >= len(p.Baselines) || (h.Labels != 0 && !within([]int{h.Labels}, len(p.Labels))) || !within(h.Findings, len(p.Findings)) || !within(h.Changes, len(p.Changes)) {
			return fmt.Errorf("read the plan: host %.60q refers to what the plan does not hold", h.Name)
		}
	}
	if err := p.validateUndoes(); err != nil {
		return err
	}
	return p.validateTurns()
}

func (o Options) validate() error {
	const hour = 3600
	if o.StartTimeout < 1 || o.StartTimeout > hour || o.ConfirmTimeout < 1 || o.ConfirmTimeout > hour {
		return errors.New("read the plan: a time limit is not between a second and an hour")
	}
	if strings.ContainsFunc(o.AdministratorsGroup, func(r rune) bool { return r <= 0x20 || r == 0x7f || r == ':' }) {
		return errors.New("read the plan: the administrators' group is no group name")
	}
	return nil
}

func within(list []int, n int) bool {
	for _, i := range list {
		if i < 0 || i >= n {
			return false
		}
	}
	return true
}
