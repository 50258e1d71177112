// Package standin is a program that behaves as the agent is documented to behave,
// with the files and the Debian package it is installed from.
//
// It shares no code with what it tests: it reads the agent's configuration with
// a reader of its own, answers on the agent's ports, filters Host headers, and
// can be told to misbehave (Knobs). It enforces nothing.
package standin

import (
	"strconv"
	"strings"
)

// Version is the agent version the stand-in reports and its package carries.
const Version = "2.0.82"

// Names of the package, of its units, and of its programs below Root.
const (
	Package      = "keeper-privilege-manager"
	AgentUnit    = "keeper-privilege-manager"
	WatchdogUnit = "keeper-watchdog"
	Root         = "/opt/keeper/sbin"
)

// Failure is a way in which the agent does not survive a start.
type Failure string

// The failures the stand-in can play.
const (
	NeverUp     Failure = "never_up"      // runs, but never listens
	DiesAfter2s Failure = "dies_after_2s" // comes up, then exits with an error
	LosesPlugin Failure = "loses_plugin"  // reports one plugin less than there is
)

// Knobs make the stand-in misbehave. They come from the unit's environment, so
// that no setting of the agent is spent on them.
type Knobs struct {
	Fail         Failure // KEEPER_LAB_FAIL; empty: none
	WhenHardened bool    // KEEPER_LAB_WHEN=hardened: only if AllowedHosts is not "*"
	OldTLS       bool    // KEEPER_LAB_TLS_MIN=1.0: TLS 1.0 and 1.1 are accepted too
	Bind         string  // KEEPER_LAB_BIND: where the HTTPS port listens; empty: 127.0.0.1
	CertDays     int     // KEEPER_LAB_CERT_DAYS: for how many days more its certificate is valid; 0: a year
	CertFile     string  // KEEPER_LAB_CERT_FILE: PEM of a custom certificate, its chain and key; empty: self-signed
}

// ReadKnobs finds the knobs in an environment as os.Environ returns it. Values
// it does not know leave a knob off.
func ReadKnobs(environ []string) Knobs {
	var k Knobs
	for _, pair := range environ {
		name, value, _ := strings.Cut(pair, "=")
		switch name {
		case "KEEPER_LAB_FAIL":
			k.Fail = Failure(value)
		case "KEEPER_LAB_WHEN":
			k.WhenHardened = value == "hardened"
		case "KEEPER_LAB_TLS_MIN":
			k.OldTLS = value == "1.0"
		case "KEEPER_LAB_BIND":
			k.Bind = value
		case "KEEPER_LAB_CERT_DAYS":
			k.CertDays, _ = strconv.Atoi(value) // what is no number leaves it off
		case "KEEPER_LAB_CERT_FILE":
			k.CertFile = value
		}
	}
	return k
}

// failure is the failure to play under these settings.
func (k Knobs) failure(s Settings) Failure {
	if k.WhenHardened && s.Get("AllowedHosts", "*") == "*" {
		return ""
	}
	return k.Fail
}
