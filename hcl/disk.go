package hcl

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

const maxRead = 1 << 20 // bytes of a file that an expression reads

// readBelow reads a file of text below the configuration directory; links that
// lead out of it are refused.
func readBelow(dir, path string) (string, error) {
	if filepath.IsAbs(path) || hasControl(path) {
		return "", errors.New("the path must be relative to the configuration directory")
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return "", err
	}
	defer root.Close()
	b, err := readRegular(root, path)
	cause, ok := errors.AsType[*fs.PathError](err)
	switch {
	case ok:
		return "", fmt.Errorf("%s: %w", path, cause.Err)
	case err != nil:
		return "", fmt.Errorf("%s: %w", path, err)
	case len(b) > maxRead:
		return "", fmt.Errorf("%s is larger than %d MiB", path, maxRead>>20)
	case !utf8.Valid(b):
		return "", fmt.Errorf("%s is not text in UTF-8", path)
	}
	return string(b), nil
}

// readRegular reads at most one byte more than maxRead: never a device or a pipe.
func readRegular(root *os.Root, path string) ([]byte, error) {
	info, err := root.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("not a regular file")
	}
	if err != nil {
		return nil, err
	}
	f, err := root.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxRead+1))
}

// fileFunction is file(path): the text of a file below the directory.
func fileFunction(dir string) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "path", Type: cty.String}},
		Type:   function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			text, err := readBelow(dir, args[0].AsString())
			if err != nil {
				return cty.NilVal, function.NewArgError(0, err)
			}
			return cty.StringVal(text), nil
		},
	})
}

// templateFunction is templatefile(path, values): the text with its ${...}
// replaced. It knows the functions given, which leave out itself.
func templateFunction(dir string, known map[string]function.Function) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "path", Type: cty.String}, {Name: "values", Type: cty.DynamicPseudoType}},
		Type:   function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			path, values := args[0].AsString(), args[1]
			if !values.IsWhollyKnown() {
				return cty.UnknownVal(cty.String), nil
			}
			if t := values.Type(); !t.IsObjectType() && !t.IsMapType() {
				return cty.NilVal, function.NewArgErrorf(1, "the values must be an object, as in { name = \"x\" }")
			}
			text, err := readBelow(dir, path)
			if err != nil {
				return cty.NilVal, function.NewArgError(0, err)
			}
			if at, deep := tooDeep(lexTemplate(text, path)); deep {
				return cty.NilVal, function.NewArgErrorf(0, "%s: nested too deeply at line %d", path, at.Start.Line)
			}
			expr, diags := hclsyntax.ParseTemplate([]byte(text), path, hcl.InitialPos)
			var out cty.Value
			if !diags.HasErrors() {
				out, diags = expr.Value(&hcl.EvalContext{Variables: values.AsValueMap(), Functions: known})
			}
			switch {
			case diags.HasErrors():
				// What the library says beyond the place may quote a value.
				return cty.NilVal, function.NewArgErrorf(0, "%s: %s", place(start(diags[0])), diags[0].Summary)
			case out.Type() != cty.String || !out.IsKnown() || out.IsNull():
				return cty.NilVal, function.NewArgErrorf(0, "%s does not make a text", path)
			}
			return out, nil
		},
	})
}

func lexTemplate(text, name string) hclsyntax.Tokens {
	tokens, _ := hclsyntax.LexTemplate([]byte(text), name, hcl.InitialPos)
	return tokens
}
