package provider

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// A Constraint is what versions are allowed: comparisons that must all hold.
type Constraint []comparison

type comparison struct {
	operator string // empty: equal
	version  []int
}

var (
	comparing = regexp.MustCompile(`^(=|!=|>=|<=|>|<|)\s*([0-9]{1,9}(?:\.[0-9]{1,9}){0,3})$`)
	// numbers of a version; what packagers add behind them does not count: 2.0.82-1, 2.0.82+deb12.
	// With "~" comes what is older than the numbers say: that is no version to compare.
	numbers = regexp.MustCompile(`^(?:[0-9]{1,3}:)?([0-9]{1,9}(?:\.[0-9]{1,9}){0,3})(?:[-+].*)?$`)
)

// ParseConstraint reads comparisons with commas between them: ">= 2.0.82, < 3".
// Versions have up to four numbers; missing ones are zero.
func ParseConstraint(text string) (Constraint, error) {
	var c Constraint
	for part := range strings.SplitSeq(text, ",") {
		m := comparing.FindStringSubmatch(strings.TrimSpace(part))
		if m == nil {
			return nil, errors.New(`write comparisons with commas between them, such as ">= 2.0.82, < 3"`)
		}
		c = append(c, comparison{operator: m[1], version: split(m[2])})
	}
	return c, nil
}

// Allows says whether a version meets every comparison. What does not begin with
// a version is an error.
func (c Constraint) Allows(version string) (bool, error) {
	m := numbers.FindStringSubmatch(version)
	if m == nil {
		return false, fmt.Errorf("%.60q is no version", version)
	}
	for _, one := range c {
		if !one.holds(split(m[1])) {
			return false, nil
		}
	}
	return true, nil
}

func split(version string) []int {
	parts := make([]int, 4)
	for i, part := range strings.SplitN(version, ".", len(parts)) {
		parts[i], _ = strconv.Atoi(part) // nine digits fit
	}
	return parts
}

func (c comparison) holds(version []int) bool {
	order := 0
	for i, n := range version {
		order = cmp.Or(order, cmp.Compare(n, c.version[i]))
	}
	switch c.operator {
	case ">=":
		return order >= 0
	case "<=":
		return order <= 0
	case ">":
		return order > 0
	case "<":
		return order < 0
	case "!=":
		return order != 0
	default:
		return order == 0
	}
}
