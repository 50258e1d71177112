package provider

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// A Share is a number of hosts, or a percentage of them.
type Share struct {
	Value   int  // hosts, or percent from 0 to 100
	Percent bool // whether Value is a percentage
}

// Of is the share of n hosts, rounded down.
func (s Share) Of(n int) int {
	if s.Percent {
		return n * s.Value / 100
	}
	return s.Value
}

// Up is the share of n hosts, rounded up, and n at most.
func (s Share) Up(n int) int {
	if s.Percent {
		return (n*s.Value + 99) / 100
	}
	return min(s.Value, n)
}

// String is the share as it is written: "3", "30%".
func (s Share) String() string {
	if s.Percent {
		return strconv.Itoa(s.Value) + "%"
	}
	return strconv.Itoa(s.Value)
}

// MarshalJSON writes the share as text.
func (s Share) MarshalJSON() ([]byte, error) { return json.Marshal(s.String()) }

// UnmarshalJSON reads a share as it is written.
func (s *Share) UnmarshalJSON(b []byte) error {
	var text string
	if err := json.Unmarshal(b, &text); err != nil {
		return errors.New("a share is a text such as \"3\" or \"30%\"")
	}
	number, percent := strings.CutSuffix(text, "%")
	n, err := strconv.ParseUint(number, 10, 31)
	if err != nil || (percent && n > 100) {
		return fmt.Errorf("%.20q is no share", text)
	}
	*s = Share{Value: int(n), Percent: percent}
	return nil
}
