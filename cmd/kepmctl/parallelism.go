package main

import (
	"fmt"
	"strconv"
)

// parallelism is a flag: hosts at work at once. Zero means that it was not given.
type parallelism int

const mostParallelism = 4096

// Set reads a number from 1 on.
func (p *parallelism) Set(s string) error {
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > mostParallelism {
		return fmt.Errorf("write a number from 1 to %d", mostParallelism)
	}
	*p = parallelism(n)
	return nil
}

// String is the number; nothing for one that was not given.
func (p *parallelism) String() string {
	if *p == 0 {
		return ""
	}
	return strconv.Itoa(int(*p))
}

// Type is what help calls the value.
func (*parallelism) Type() string { return "int" }
