package hcl

import (
	_ "embed"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// builtinFile is the name by which sources and messages call the built-in baselines.
const builtinFile = "builtin"

//go:embed builtin.kepm.hcl
var builtinSource []byte

// builtinBaselines are the blocks behind builtin.hardening_guide, read by the
// same code as everybody's.
func builtinBaselines(d *Diagnostics) []*hclsyntax.Block {
	parsed, diags := hclsyntax.ParseConfig(builtinSource, builtinFile, hcl.InitialPos)
	d.foreign(diags)
	body := parsed.Body.(*hclsyntax.Body)
	checkBodies(d, "", []*hclsyntax.Body{body}, language())
	return body.Blocks
}
