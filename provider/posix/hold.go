//go:build !kepmhold

package posix

// held returns a script as it is. The build for the end-to-end tests stops in it.
func held(_, text string) string { return text }
