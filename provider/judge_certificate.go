package provider

import (
	"bytes"
	"cmp"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kepmctl/kepmctl/transport"
)

// Kinds of certificates.
const (
	SelfSigned = "self_signed" // made by the agent at each start
	External   = "external"    // somebody else's to renew: checked only
)

// Terms are what a certificate must be.
type Terms struct {
	Kind        string `json:"kind"`
	MaxAge      int64  `json:"max_age"`      // seconds since its notBefore; 0: not judged
	RenewBefore int64  `json:"renew_before"` // seconds before its notAfter; 0: when it has expired
}

// Terms reads a certificate's value; ok is false when v is none.
func (v Value) Terms() (t Terms, ok bool) {
	const century = 100 * 366 * 24 * 3600
	if json.Unmarshal([]byte(v), &t) != nil {
		return t, false
	}
	return t, (t.Kind == SelfSigned || t.Kind == External) &&
		t.MaxAge >= 0 && t.MaxAge <= century && t.RenewBefore >= 0 && t.RenewBefore <= century
}

// Keys below these are weak (NIST SP 800-57 part 1, table 2: less than 112 bits).
const (
	leastRSA = 2048
	leastEC  = 224
)

// certificate judges what HTTPS and MQTT present.
func (j *judge) certificate(w Want) Finding {
	terms, ok := w.Value.Terms()
	switch {
	case !ok:
		return unknown("the terms are none", "")
	case !j.facts.Service.Active:
		return unknown("the service is down, so nothing can be asked", "start the service and look again")
	}
	var faults, renewable, unclear []string
	have := ""
	for _, port := range j.tlsPorts() {
		chain, why := j.presented(port)
		if why != "" {
			unclear = append(unclear, fmt.Sprintf("port %d: %s", port, why))
			continue
		}
		have = describe(chain[0])
		verdict := j.judgeChain(chain, terms)
		at := func(list []string) []string {
			for i := range list {
				list[i] = fmt.Sprintf("%s on port %d", list[i], port)
			}
			return list
		}
		faults, unclear = append(faults, at(verdict.faults)...), append(unclear, at(verdict.unclear)...)
		renewable = append(renewable, verdict.renewable...)
	}
	slices.Sort(renewable)
	renewable = slices.Compact(renewable)
	switch {
	case len(unclear) > 0 && len(faults) == 0 && (len(renewable) == 0 || custom(unclear)):
		return unknown(strings.Join(unclear, "; "), unclearHint(unclear))
	case len(faults) > 0:
		return Finding{Outcome: NonCompliant, Have: strings.Join(append(faults, renewable...), ", "), Want: terms.wanted(), Hint: "give the agent another certificate"}
	case len(renewable) == 0:
		return Finding{Outcome: Compliant, Have: have, Want: terms.wanted()}
	}
	from := strings.Join(renewable, ", ")
	f := Finding{Outcome: NonCompliant, Have: from, Want: terms.wanted()}
	if terms.Kind == External {
		f.Hint = "have its issuer renew it"
		return f
	}
	f.Changes = []Change{{Attr: "certificate", Action: Replace, From: from, To: "self-signed, new", Effect: Restart}}
	return f
}

// custom says whether a port presents somebody else's certificate, which a restart
// would not renew.
func custom(unclear []string) bool {
	return slices.ContainsFunc(unclear, func(s string) bool { return strings.Contains(s, customCertificate) })
}

func unclearHint(unclear []string) string {
	if custom(unclear) {
		return `declare kind = "managed" or "external"`
	}
	return ""
}

const customCertificate = "a custom certificate is in use"

func (t Terms) wanted() string {
	text := strings.ReplaceAll(t.Kind, "_", "-") + ", valid for more than " + days(t.RenewBefore)
	if t.MaxAge > 0 {
		text += ", not older than " + days(t.MaxAge)
	}
	return text
}

func days(seconds int64) string {
	const day = 24 * 3600
	if seconds%day == 0 {
		return fmt.Sprintf("%dd", seconds/day)
	}
	return (time.Duration(seconds) * time.Second).String()
}

// describe is a certificate without what is different on every host.
func describe(c *x509.Certificate) string {
	if selfIssued(c) {
		return "self-signed"
	}
	return "issued by " + c.Issuer.String()
}

func selfIssued(c *x509.Certificate) bool { return bytes.Equal(c.RawIssuer, c.RawSubject) }

// presented is the chain that a port presents, leaf first.
func (j *judge) presented(port int) (chain []*x509.Certificate, why string) {
	asked := func(a transport.Answer) bool {
		return a.Question.Port == port && a.Question.Path == "" && a.Question.TLSMax != 0
	}
	i := slices.IndexFunc(j.facts.Answers, func(a transport.Answer) bool { return asked(a) && a.TLS })
	if i < 0 {
		i = slices.IndexFunc(j.facts.Answers, asked)
	}
	if i < 0 {
		return nil, "not asked"
	}
	a := j.facts.Answers[i]
	switch {
	case a.Unknown != "":
		return nil, a.Unknown
	case a.Refused:
		return nil, "nothing listens"
	case !a.TLS:
		return nil, cmp.Or(a.TLSError, "no TLS")
	case len(a.Certificates) == 0:
		return nil, "the program that asked (" + a.Means + ") does not show certificates"
	}
	for _, der := range a.Certificates {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, "a certificate cannot be read: " + err.Error()
		}
		chain = append(chain, c)
	}
	return chain, ""
}

// A chainVerdict is what is wrong with a certificate: faults that a renewal by
// restart would not mend, those it would, and what cannot be judged.
type chainVerdict struct{ faults, renewable, unclear []string }

func (j *judge) judgeChain(chain []*x509.Certificate, t Terms) chainVerdict {
	var v chainVerdict
	leaf := chain[0]
	life := int64(leaf.NotAfter.Sub(leaf.NotBefore).Seconds())
	switch {
	case t.Kind == SelfSigned && !selfIssued(leaf):
		v.unclear = append(v.unclear, customCertificate+" ("+leaf.Issuer.String()+")")
		return v
	case t.Kind == External && selfIssued(leaf):
		v.faults = append(v.faults, "the agent's own self-signed certificate")
		return v
	case j.now.Before(leaf.NotBefore.Add(-5 * time.Minute)):
		v.unclear = append(v.unclear, "it is not valid yet: a clock is wrong")
		return v
	case life <= t.RenewBefore:
		v.faults = append(v.faults, "its whole life is not longer than renew_before ("+days(t.RenewBefore)+")")
		return v
	}
	if size := weak(leaf); size != "" {
		v.faults = append(v.faults, "a weak key: "+size)
	}
	if t.Kind == External {
		v.faults = append(v.faults, j.links(chain)...)
	}
	left, age := leaf.NotAfter.Sub(j.now), j.now.Sub(leaf.NotBefore)
	switch {
	case left <= 0:
		v.renewable = append(v.renewable, "expired")
	case left <= time.Duration(t.RenewBefore)*time.Second:
		v.renewable = append(v.renewable, "expires within "+days(t.RenewBefore))
	}
	if t.MaxAge > 0 && age > time.Duration(t.MaxAge)*time.Second {
		v.renewable = append(v.renewable, "older than "+days(t.MaxAge))
	}
	return v
}

// links says what is wrong above the leaf: who issued what, and until when. Whether
// clients trust the last issuer is theirs to know.
func (j *judge) links(chain []*x509.Certificate) []string {
	var faults []string
	for i, c := range chain[1:] {
		if err := chain[i].CheckSignatureFrom(c); err != nil {
			faults = append(faults, "a chain whose certificates do not follow one another")
		}
		if j.now.After(c.NotAfter) {
			faults = append(faults, "an expired issuer: "+c.Subject.String())
		}
	}
	return faults
}

func weak(c *x509.Certificate) string {
	switch key := c.PublicKey.(type) {
	case *rsa.PublicKey:
		if n := key.N.BitLen(); n < leastRSA {
			return fmt.Sprintf("RSA %d", n)
		}
	case *ecdsa.PublicKey:
		if n := key.Curve.Params().BitSize; n < leastEC {
			return fmt.Sprintf("ECDSA %d", n)
		}
	}
	return ""
}
