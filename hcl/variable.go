package hcl

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// AutoSuffix is how the name of a file ends whose values are always read.
const AutoSuffix = ".auto.kepmvars"

// variableEnv begins the name of an environment variable that sets one of ours.
const variableEnv = "KEPM_VAR_"

// A variable is a variable block.
type variable struct {
	block    *hclsyntax.Block
	name     string
	kind     cty.Type
	optional *typeexpr.Defaults // of optional attributes; nil: none
	preset   cty.Value          // NilVal: none
}

// A given is a value that was set for a variable outside of its block.
type given struct {
	value cty.Value
	text  string // instead of value: read when the type is known
	from  string // where it was set, for messages
	at    *hcl.Range
}

// readVariables settles every variable: what sets it last wins, in the order
// default, environment, *.auto.kepmvars by name, --var-file, --var.
func (r *reading) readVariables(o Options) {
	declared := map[string]*variable{}
	for _, b := range r.blocks["variable"] {
		if v := r.declare(b); declared[v.name] == nil {
			declared[v.name] = v
		}
	}
	set := map[string]given{}
	for name := range declared {
		if text, ok := o.env(variableEnv + name); ok {
			set[name] = given{text: text, from: "the environment variable " + variableEnv + name}
		}
	}
	for _, f := range r.varFiles {
		r.readVarFile(f, declared, set)
	}
	for _, assignment := range o.Vars {
		r.readVar(assignment, declared, set)
	}
	values := map[string]cty.Value{}
	for name, v := range declared {
		values[name] = r.settle(v, set)
	}
	r.scope["var"] = cty.ObjectVal(values)
	for _, name := range slices.Sorted(maps.Keys(declared)) {
		r.validate(declared[name])
	}
}

// declare reads a variable block.
func (r *reading) declare(b *hclsyntax.Block) *variable {
	v := &variable{block: b, name: b.Labels[0], kind: cty.DynamicPseudoType, preset: cty.NilVal}
	a := r.attrs(b)
	a.text("description")
	if attr, ok := b.Body.Attributes["type"]; ok {
		kind, optional, diags := typeexpr.TypeConstraintWithDefaults(attr.Expr)
		r.d.foreign(diags)
		if !diags.HasErrors() {
			v.kind, v.optional = kind, optional
		}
	}
	if attr, ok := b.Body.Attributes["default"]; ok && r.d.fits(attr.Expr, &hcl.EvalContext{}) {
		preset, diags := attr.Expr.Value(&hcl.EvalContext{Functions: r.functions})
		r.d.foreign(diags)
		switch {
		case diags.HasErrors():
			v.preset = cty.DynamicVal
		case holdsSecret(preset):
			a.wrong("default", "A secret is no value of a variable. Write the reference where the secret is used.")
			v.preset = cty.DynamicVal
		default:
			v.preset = r.fit(v, given{value: preset, from: "its default", at: attr.Expr.Range().Ptr()})
		}
	}
	return v
}

// settle is a variable's value; unknown when it is wrong or missing, which is
// reported.
func (r *reading) settle(v *variable, set map[string]given) cty.Value {
	if g, ok := set[v.name]; ok {
		return r.fit(v, g)
	}
	if v.preset == cty.NilVal {
		r.d.errorf(v.block.DefRange().Ptr(), "A variable without a value",
			"Nothing sets %q, and it has no default. Give --var %[1]s=..., --var-file FILE, a file *%s, or the environment variable %s%[1]s.", v.name, AutoSuffix, variableEnv)
		return cty.UnknownVal(v.kind)
	}
	return v.preset
}

// fit converts a value to the variable's type.
func (r *reading) fit(v *variable, g given) cty.Value {
	value := g.value
	if value == cty.NilVal {
		var ok bool
		if value, ok = r.fromText(v, g); !ok {
			return cty.UnknownVal(v.kind)
		}
	}
	if v.optional != nil && !value.IsNull() {
		value = v.optional.Apply(value)
	}
	fitted, err := convert.Convert(value, v.kind)
	if err != nil {
		at := g.at
		if at == nil {
			at = v.block.DefRange().Ptr()
		}
		// What a value of the wrong type says of itself may be a secret.
		r.d.errorf(at, "Not of the variable's type", "%q is set by %s to what is no %s: %s.", v.name, g.from, v.kind.FriendlyNameForConstraint(), err)
		return cty.UnknownVal(v.kind)
	}
	return fitted
}

// fromText reads a value from the command line or the environment: as it is for
// text, else as an expression.
func (r *reading) fromText(v *variable, g given) (cty.Value, bool) {
	if v.kind == cty.String || (v.kind.IsPrimitiveType() && v.kind != cty.DynamicPseudoType) {
		return cty.StringVal(g.text), true
	}
	expr, diags := hclsyntax.ParseExpression([]byte(g.text), g.from, hcl.InitialPos)
	var value cty.Value
	if !diags.HasErrors() {
		value, diags = expr.Value(nil)
	}
	switch {
	case !diags.HasErrors():
		return value, true
	case v.kind == cty.DynamicPseudoType: // without a type, what is no expression is a text
		return cty.StringVal(g.text), true
	}
	r.d.errorf(v.block.DefRange().Ptr(), "Not a value", "%q is set by %s to what is no expression. Write a list as [\"a\", \"b\"], a map as {a = \"b\"}.", v.name, g.from)
	return cty.NilVal, false
}

// readVar reads one --var NAME=VALUE.
func (r *reading) readVar(assignment string, declared map[string]*variable, set map[string]given) {
	name, text, ok := strings.Cut(assignment, "=")
	name = strings.TrimSpace(name)
	switch {
	case !ok:
		r.d.errorf(nil, "Not an assignment", "Write --var NAME=VALUE.")
	case declared[name] == nil:
		r.d.errorf(nil, "Unknown variable", "--var sets %q, and there is no block variable %[1]q.%s", short(name), didYouMean(name, slices.Collect(maps.Keys(declared))))
	default:
		set[name] = given{text: text, from: "--var"}
	}
}

// readVarFile reads the attributes of a file of values.
func (r *reading) readVarFile(f file, declared map[string]*variable, set map[string]given) {
	bodies, whole := parse([]file{f}, r.d)
	if !whole {
		return
	}
	for _, b := range bodies[0].Blocks {
		r.d.errorf(b.DefRange().Ptr(), "A block in a file of values", "Such a file has lines NAME = VALUE only.")
	}
	for name, attr := range bodies[0].Attributes {
		if declared[name] == nil {
			r.d.warnf(attr.NameRange.Ptr(), "Unknown variable", "There is no block variable %q, so this has no effect.%s", name, didYouMean(name, slices.Collect(maps.Keys(declared))))
			continue
		}
		value, diags := attr.Expr.Value(nil)
		r.d.foreign(diags)
		if !diags.HasErrors() {
			set[name] = given{value: value, from: f.name, at: attr.Expr.Range().Ptr()}
		}
	}
}

// validate checks the conditions of a variable, when all variables are known.
func (r *reading) validate(v *variable) {
	for _, b := range v.block.Body.Blocks {
		a := r.attrs(b)
		ok, known := a.boolean("condition")
		message, _ := a.text("error_message")
		if a.has("condition") && !a.set("condition") {
			a.wrong("condition", "It must be true or false, and is null.")
		}
		if known && !ok {
			r.d.errorf(a.at("condition"), fmt.Sprintf("Variable %q has a value that is not allowed", v.name), "%s", message)
		}
	}
}

// namedFiles reads the files of --var-file.
func namedFiles(paths []string, d *Diagnostics) []file {
	var files []file
	for _, path := range paths {
		src, err := readFile(path)
		if err != nil {
			d.errorf(nil, "Cannot read a file of values", "%s.", err)
			continue
		}
		files = append(files, file{filepath.ToSlash(path), src})
	}
	return files
}
