package ssh

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/kepmctl/kepmctl/transport"
)

// The ways to log in, as the protocol names them (RFC 4252, RFC 4256).
const (
	byKey      = "publickey"
	byPassword = "password"
	byQuestion = "keyboard-interactive"
)

// A proof is one try at logging in: what was shown so far, and what the server
// said to it. It shows the password once, whichever way the server asks for it:
// each further try may lock the account.
type proof struct {
	ctx      context.Context
	patience *patience
	hop      *hop
	login    *login
	breaker  *breaker
	secrets  transport.Secrets

	lost   func() bool // the connection broke
	offers []string    // the methods the server takes, as it said last
	used   []string
	leave  func(verdict) // set while the server judges the password
	err    error         // why there is no point in going on
}

// next picks the method to try next. It is called after each answer of the
// server's.
func (p *proof) next(said *ssh.ClientAuthContext) (ssh.AuthMethod, error) {
	if p.lost() {
		return nil, nil // the library returns what broke it, if that was not after an answer
	}
	p.offers = said.AllowedMethods
	if p.leave != nil {
		last := p.used[len(p.used)-1]
		if slices.Contains(said.PartialSuccessMethods, last) {
			p.judged(accepted)
		} else if p.err == nil {
			p.judged(refused)
			p.err = p.refusal()
		}
	}
	if p.err != nil {
		return nil, p.err
	}
	for _, m := range []string{byKey, byPassword, byQuestion} {
		if !slices.Contains(p.offers, m) || slices.Contains(p.used, m) {
			continue
		}
		switch {
		case m == byKey && len(p.login.signers) > 0:
			p.used = append(p.used, m)
			return ssh.PublicKeys(p.login.signers...), nil
		case m == byPassword && !p.hop.how.Password.IsZero() && !slices.Contains(p.used, byQuestion):
			p.used = append(p.used, m)
			return ssh.PasswordCallback(p.password), nil
		case m == byQuestion && !p.hop.how.Password.IsZero():
			p.used = append(p.used, m)
			return ssh.KeyboardInteractive(p.answer), nil
		}
	}
	return nil, p.refusal()
}

// ended is the error of a login that failed. A server that ends the connection
// for too many tries has refused the last one too.
func (p *proof) ended(err error) error {
	if strings.Contains(err.Error(), "Too many authentication failures") {
		p.judged(refused)
		if slices.Contains(p.used, byPassword) || slices.Contains(p.used, byQuestion) {
			return p.refusal()
		}
		return authError(p.hop, fmt.Errorf("too many keys were refused: %s", p.login), "name the one private_key_file, with agent = false")
	}
	if p.lost() && strings.Contains(err.Error(), "unable to authenticate") { // it answered, then hung up
		p.judged(refused)
		return p.refusal()
	}
	p.judged(unclear)
	if p.err != nil {
		return p.err
	}
	return err
}

// judged tells the breaker what became of the password.
func (p *proof) judged(v verdict) {
	if p.leave != nil {
		p.leave(v)
		p.leave = nil
	}
}

// password is the password, when it may be tried.
func (p *proof) password() (string, error) {
	ref := p.hop.how.Password
	password, err := secret(p.secrets, ref)
	if err != nil {
		p.err = authError(p.hop, err, "correct the connection's password")
		return "", p.err
	}
	err = p.patience.hold(func() (err error) {
		p.leave, err = p.breaker.enter(p.ctx, credential{ref, p.hop.how.User}, p.hop.address)
		return err
	})
	if err != nil {
		p.err = err
		if isSpent(err) {
			p.err = authError(p.hop, err, spentHint)
		}
		return "", p.err
	}
	return password, nil
}

var (
	asksPassword = regexp.MustCompile(`(?i)\b(password|passwort|mot de passe|contraseña|senha)\b`)
	asksMore     = regexp.MustCompile(`(?i)\b(new|current|old|again|retype|change[sd]?|one[- ]?time|otp|token|code|pin|verification|factor|expired)\b`)
)

// answer answers a server's questions (PAM's, mostly). Only to one hidden
// question for the password there is an answer, and only once.
func (p *proof) answer(_, instruction string, questions []string, echos []bool) ([]string, error) {
	if len(questions) == 0 {
		return nil, nil // only an announcement
	}
	asked := strings.Join(strings.Fields(strings.Join(questions, " ")), " ")
	simple := len(questions) == 1 && !echos[0] && asksPassword.MatchString(asked) && !asksMore.MatchString(asked)
	if !simple || p.leave != nil || slices.Contains(p.used, byPassword) {
		if p.leave != nil { // asked once more: the first answer was not right, or not enough
			if simple {
				p.judged(refused)
				p.err = p.refusal()
				return nil, p.err
			}
			p.judged(unclear)
		}
		p.err = authError(p.hop, fmt.Errorf(`the server asks "%s"%s, and nobody is here to answer`, printable(asked), spoken(instruction)),
			"only a single question for the password is answered: let this login in without a second factor, or by a key")
		return nil, p.err
	}
	password, err := p.password()
	if err != nil {
		return nil, err
	}
	return []string{password}, nil
}

func spoken(instruction string) string {
	if instruction = strings.TrimSpace(instruction); instruction == "" {
		return ""
	}
	return ` ("` + printable(instruction) + `")`
}

// refusal says what was tried, and what the server would take.
func (p *proof) refusal() error {
	text := fmt.Sprintf("the server accepted none of: %s", p.login)
	if len(p.used) == 0 {
		text = fmt.Sprintf("the server takes none of what there is (%s)", p.login)
	}
	if len(p.offers) > 0 {
		text += "; it offers " + printable(strings.Join(p.offers, ", "))
	}
	if len(p.login.remarks) > 0 {
		text += "; " + strings.Join(p.login.remarks, "; ")
	}
	return authError(p.hop, errors.New(text), p.advice())
}

func (p *proof) advice() string {
	tried := func(m string) bool { return slices.Contains(p.used, m) }
	switch {
	case tried(byPassword) || tried(byQuestion):
		return "check the user and the password; it is not tried again on this host, so that the account is not locked"
	case tried(byKey) && len(p.login.remarks) > 0:
		return "check the user, the certificate's principals (ssh-keygen -L), and that the server trusts its authority (TrustedUserCAKeys)"
	case tried(byKey):
		return "check the user, and that the account's authorized_keys holds the key"
	case slices.Contains(p.offers, byKey):
		return "name a private_key_file, or set agent = true"
	}
	return "set what the server takes, or allow keys there (PubkeyAuthentication yes)"
}
