package hcl

import (
	"errors"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"

	"github.com/kepmctl/kepmctl/provider"
	"github.com/kepmctl/kepmctl/transport"
)

// secretType is the type of secret::env(...): no other type converts to or from
// it, so a reference cannot be interpolated, and only attributes that ask for a
// secret take it.
var secretType = cty.Capsule("secret", reflect.TypeFor[secretValue]())

type secretValue struct{ ref transport.SecretRef }

// MarshalJSON keeps jsonencode and format from taking a reference for a text.
func (secretValue) MarshalJSON() ([]byte, error) {
	return nil, errors.New("a secret cannot be turned into a text")
}

// holdsSecret says whether a secret is anywhere in a value.
func holdsSecret(v cty.Value) bool {
	found := false
	_ = cty.Walk(v, func(_ cty.Path, part cty.Value) (bool, error) {
		found = found || part.Type() == secretType
		return !found, nil
	})
	return found
}

// execFunction makes secret::exec([command, argument...]).
func execFunction() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "command", Type: cty.List(cty.String)}},
		Type:   function.StaticReturnType(secretType),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			if !args[0].IsWhollyKnown() {
				return cty.UnknownVal(secretType), nil
			}
			argv, ok := textList(args[0])
			if !ok || len(argv) == 0 || argv[0] == "" || slices.ContainsFunc(argv, func(s string) bool { return strings.ContainsRune(s, 0) }) {
				return cty.NilVal, function.NewArgErrorf(0, "write the command and its arguments as a list of texts")
			}
			name := string(provider.MakeValue(argv))
			return cty.CapsuleVal(secretType, &secretValue{transport.SecretRef{Source: "exec", Name: name}}), nil
		},
	})
}

var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,127}$`)

// secretFunction makes secret::SOURCE(name); check returns the name as it is kept.
func secretFunction(source string, check func(string) (string, error)) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "name", Type: cty.String}},
		Type:   function.StaticReturnType(secretType),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			name, err := check(args[0].AsString())
			if err != nil {
				return cty.NilVal, function.NewArgError(0, err)
			}
			return cty.CapsuleVal(secretType, &secretValue{transport.SecretRef{Source: source, Name: name}}), nil
		},
	})
}

// checkVariable does not quote the name: it may be the secret itself.
func checkVariable(name string) (string, error) {
	if !variableName.MatchString(name) {
		return "", errors.New("the name of an environment variable has letters, digits and _")
	}
	return name, nil
}

// localPath is a path as a connection keeps it: relative to the configuration
// directory, wherever that lies, or absolute; "~/" stays for the program, which
// knows whose home it is.
func localPath(path string) (string, error) {
	switch {
	case path == "" || hasControl(path):
		return "", errors.New("a path is empty or has control characters")
	case strings.HasPrefix(path, "~/") || filepath.IsAbs(path):
		return path, nil
	case strings.HasPrefix(path, "~"):
		return "", errors.New(`of the shell's abbreviations only "~/" is understood`)
	default:
		return filepath.Clean(path), nil
	}
}
