package hcl

import (
	"bytes"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/agext/levenshtein"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/kepmctl/kepmctl/provider"
)

// A lineSet is a set of 1-based line numbers.
type lineSet map[int]bool

func (s lineSet) add(first, last int) {
	for line := first; line <= last; line++ {
		s[line] = true
	}
}

// secretLines finds the lines that may hold a secret. It works on tokens because
// a file that does not parse holds its secrets all the same, and it rather hides
// too much: misspelled names count.
func secretLines(src []byte, tokens hclsyntax.Tokens) lineSet {
	hidden := lineSet{}
	for i, t := range tokens {
		if t.Type == hclsyntax.TokenComment && secretWord.Match(t.Bytes) {
			hidden.add(t.Range.Start.Line, t.Range.Start.Line+bytes.Count(bytes.TrimSuffix(t.Bytes, []byte("\n")), []byte("\n")))
		}
		if !beginsStatement(tokens, i) || !namesSecret(tokens[i:]) {
			continue
		}
		hidden.add(t.Range.Start.Line, tokens[statementEnd(tokens, i)].Range.End.Line)
	}
	for i, line := range bytes.Split(src, []byte("\n")) {
		if text := string(line); provider.Redact(text) != text {
			hidden[i+1] = true
		}
	}
	return hidden
}

// beginsStatement says whether token i may be the name of an attribute, a block
// or an object's key.
func beginsStatement(tokens hclsyntax.Tokens, i int) bool {
	if i == 0 {
		return true
	}
	switch tokens[i-1].Type {
	case hclsyntax.TokenNewline, hclsyntax.TokenComment, hclsyntax.TokenOBrace, hclsyntax.TokenComma:
		return true
	default:
		return false
	}
}

// namesSecret says whether a statement's first tokens name a secret: become_password,
// "password" = in an object, app_setting "Mail:Password".
func namesSecret(tokens hclsyntax.Tokens) bool {
	switch first := tokens[0]; first.Type {
	case hclsyntax.TokenIdent:
		if len(tokens) > 1 && tokens[1].Type == hclsyntax.TokenDoubleColon {
			return false
		}
		name := string(first.Bytes)
		return secretName(name) || (strings.HasSuffix(name, "_setting") && sensitiveLabel(tokens[1:])) ||
			(name == "variable" && len(tokens) > 2 && secretName(string(tokens[2].Bytes)))
	case hclsyntax.TokenOQuote:
		return len(tokens) > 3 && secretName(string(tokens[1].Bytes)) &&
			(tokens[3].Type == hclsyntax.TokenEqual || tokens[3].Type == hclsyntax.TokenColon)
	default:
		return false
	}
}

func sensitiveLabel(tokens hclsyntax.Tokens) bool {
	for _, t := range tokens {
		switch t.Type {
		case hclsyntax.TokenQuotedLit, hclsyntax.TokenIdent:
			if provider.SensitiveKey(string(t.Bytes)) {
				return true
			}
		case hclsyntax.TokenOQuote, hclsyntax.TokenCQuote:
		default:
			return false
		}
	}
	return false
}

var secretWord = regexp.MustCompile(`(?i)pass|pwd|secret|token|credential`)

// secretName says whether a name is, or is nearly, one under which a secret is written.
func secretName(name string) bool {
	if secretWord.MatchString(name) {
		return true
	}
	if len(name) > maxSuggested {
		return false
	}
	const near = 2
	for _, known := range []string{"become_password", "private_key_passphrase", "password", "private_key", "token", "cert_password"} {
		if levenshtein.Distance(strings.ToLower(name), known, nil) <= near {
			return true
		}
	}
	return false
}

// statementEnd is the index of the token that ends the statement begun at i.
func statementEnd(tokens hclsyntax.Tokens, i int) int {
	depth := 0
	for ; i < len(tokens)-1; i++ {
		t := tokens[i]
		depth += nesting(t.Type)
		newline := t.Type == hclsyntax.TokenNewline || (t.Type == hclsyntax.TokenComment && bytes.HasSuffix(t.Bytes, []byte("\n")))
		if depth < 0 || (depth == 0 && newline) {
			return i - 1 // a newline's range ends on the next line
		}
	}
	return i
}

// nesting is +1 for what opens, -1 for what closes.
func nesting(t hclsyntax.TokenType) int {
	switch t {
	case hclsyntax.TokenOBrace, hclsyntax.TokenOBrack, hclsyntax.TokenOParen, hclsyntax.TokenOQuote,
		hclsyntax.TokenOHeredoc, hclsyntax.TokenTemplateInterp, hclsyntax.TokenTemplateControl:
		return 1
	case hclsyntax.TokenCBrace, hclsyntax.TokenCBrack, hclsyntax.TokenCParen, hclsyntax.TokenCQuote,
		hclsyntax.TokenCHeredoc, hclsyntax.TokenTemplateSeqEnd:
		return -1
	default:
		return 0
	}
}

// tooDeep finds where a file would exhaust the stack of the HCL library, which
// recurses without a limit: at brackets, and at operators, which nest without any.
func tooDeep(tokens hclsyntax.Tokens) (at hcl.Range, deep bool) {
	const maxDepth, maxOperators = 100, 10_000
	depth, operators := 0, 0
	for i, t := range tokens {
		depth = max(0, depth+nesting(t.Type))
		if operator(t.Type) || (i > 0 && t.Type == hclsyntax.TokenOBrack && indexable(tokens[i-1].Type)) {
			operators++
		}
		if depth > maxDepth || operators > maxOperators {
			return t.Range, true
		}
	}
	return hcl.Range{}, false
}

func operator(t hclsyntax.TokenType) bool {
	switch t {
	case hclsyntax.TokenPlus, hclsyntax.TokenMinus, hclsyntax.TokenStar, hclsyntax.TokenSlash, hclsyntax.TokenPercent,
		hclsyntax.TokenBang, hclsyntax.TokenAnd, hclsyntax.TokenOr, hclsyntax.TokenQuestion,
		hclsyntax.TokenEqualOp, hclsyntax.TokenNotEqual, hclsyntax.TokenLessThan, hclsyntax.TokenLessThanEq,
		hclsyntax.TokenGreaterThan, hclsyntax.TokenGreaterThanEq, hclsyntax.TokenTemplateControl:
		return true
	default:
		return false
	}
}

// indexable says whether a bracket after the token is an index: a[b][c] nests too.
func indexable(t hclsyntax.TokenType) bool {
	return t == hclsyntax.TokenIdent || t == hclsyntax.TokenCBrack || t == hclsyntax.TokenCParen
}

// decode reads one character; invalid bytes count as control characters.
func decode(b []byte) (rune, int) {
	r, n := utf8.DecodeRune(b)
	if r == utf8.RuneError && n <= 1 {
		return 0, 1
	}
	return r, n
}
