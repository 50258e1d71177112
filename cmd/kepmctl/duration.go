package main

import (
	"time"

	"github.com/kepmctl/kepmctl/hcl"
)

// A duration is a flag's, written as in the language: Go's, plus "d" for days.
type duration time.Duration

func (d *duration) String() string { return time.Duration(*d).String() }
func (d *duration) Type() string   { return "duration" }

func (d *duration) Set(text string) error {
	v, err := hcl.ParseDuration(text)
	*d = duration(v)
	return err
}
