package appsettings

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestGet(t *testing.T) {
	const in = "\uFEFF" + `{
  // a comment
  "AllowedHosts": "*",
  "Settings:KestrelHttpPort": 6888,
  "settings": {
    "system.logging.level": "Warn\u0069ng <x>",
    "AlternativeSignatures": [ "b", /* c */ "a", ],
    "Ratio": 1.0, "Big": 12345678901234567890,
    "Nothing": null, "On": true,
    "None": [], "Void": {}
  },
  "Mixed": ["a", 1], "Nested": [["a"]], "Sect:A": 1, "Sect:B": 2,
  "Spread": ["a"],
  "Spread:1": "b",
  "Both": 1, "Both:More": 2,
  "A:B": {"C": 1}, "A": {"B": {"D": 2}}
}`
	f, err := Parse([]byte(in))
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		path string
		want Value
	}{
		{"AllowedHosts", Value{Scalar, `"*"`, 3, ""}},
		{"allowedHOSTS", Value{Scalar, `"*"`, 3, ""}},
		{"AllowedHosts:x", Value{}},
		{"Settings:KestrelHttpPort", Value{Scalar, "6888", 4, ""}},
		{"Settings:system.logging.level", Value{Scalar, `"Warning \u003cx\u003e"`, 6, ""}},
		{"Settings:system:logging:level", Value{}},
		{"Settings:AlternativeSignatures", Value{List, `["b","a"]`, 7, ""}},
		{"Settings:AlternativeSignatures:1", Value{Scalar, `"a"`, 7, ""}},
		{"Settings:AlternativeSignatures:2", Value{}},
		{"Settings:Ratio", Value{Scalar, "1.0", 8, ""}},
		{"Settings:Big", Value{Scalar, "12345678901234567890", 8, ""}},
		{"Settings:Nothing", Value{Null, "null", 9, ""}},
		{"Settings:On", Value{Scalar, "true", 9, ""}},
		{"Settings:None", Value{List, "[]", 10, ""}},
		{"Settings:Void", Value{Other, "", 10, "it is an object"}},
		{"Settings:Missing", Value{}},
		{"Settin", Value{}},
		{"", Value{}},
		{"Settings", Value{Other, "", 4, "it is given in several places, the first two in lines 4 and 5"}},
		{"Mixed", Value{Other, "", 12, "it is an array that does not hold strings alone"}},
		{"Nested", Value{Other, "", 12, "it is an array that does not hold strings alone"}},
		{"Nested:0:0", Value{Scalar, `"a"`, 12, ""}},
		{"Sect:A", Value{Scalar, "1", 12, ""}},
		// .NET reads ["a", "b"]: to answer ["a"] would hide an element.
		{"Spread", Value{Other, "", 13, "it is given in several places, the first two in lines 13 and 14"}},
		{"Both", Value{Other, "", 15, "it is given in several places, the first two in lines 15 and 15"}},
		{"a:b:d", Value{Scalar, "2", 16, ""}},
	}
	for _, tt := range tests {
		if diff := cmp.Diff(tt.want, f.Get(tt.path)); diff != "" {
			t.Errorf("Get(%q) (-want +got):\n%s", tt.path, diff)
		}
	}
}

func TestGetSectionByColons(t *testing.T) {
	f, err := Parse([]byte(`{"Keys:0": "a"}`))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Value{Other, "", 1, "only keys below it are given"}, f.Get("Keys")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestEqual(t *testing.T) {
	tests := []struct {
		have, want string
		equal      bool
	}{
		{`"30"`, `30`, true},
		{`30`, `30.0`, true},
		{`3e1`, `"30"`, true},
		{`-0`, `0`, true},
		{`12345678901234567890`, `12345678901234567891`, false},
		{`12345678901234567890`, `12345678901234567890.000`, true},
		{`0.1`, `1e-1`, true},
		{`1e999999999`, `1e999999999`, true},
		{`1e999999999`, `10e999999998`, false},
		{`1e-999999999999999999999`, `0`, false},
		{`"1e999999999"`, `1`, false},
		{`1e400`, `10e399`, true},
		{`1e401`, `10e400`, false},
		{`1e-401`, `10e-402`, false},
		{"1" + strings.Repeat("0", 399), `1e399`, true},
		{"1" + strings.Repeat("0", 400), `1e400`, false},
		{`"0x1E"`, `30`, false},
		{`"60/2"`, `30`, false},
		{`"030"`, `30`, false},
		{`" 30"`, `30`, false},
		{`""`, `0`, false},
		{`"1.10"`, `"1.1"`, false},
		{`true`, `"True"`, true},
		{`"TRUE"`, `"true"`, true},
		{`true`, `false`, false},
		{`true`, `1`, false},
		{"\"fal\u017Fe\"", `false`, false},
		{`"a"`, `"A"`, false},
		{`"\u0061"`, `"a"`, true},
		{`null`, `null`, true},
		{`null`, `""`, false},
		{`null`, `"null"`, false},
		{`[]`, `[ ]`, true},
		{`["a","b"]`, `["a", "b"]`, true},
		{`["a","b"]`, `["b","a"]`, false},
		{`["a"]`, `"a"`, false},
		{`["30"]`, `[30]`, false},
		{`[]`, `null`, false},
		{``, ``, true},
		{``, `""`, false},
		{``, `null`, false},
		{`{}`, `{}`, false},
		{`x`, `x`, false},
		{"\"\xff\"", "\"\xff\"", false},
	}
	for _, tt := range tests {
		if got := Equal(tt.have, tt.want); got != tt.equal {
			t.Errorf("Equal(%s, %s) = %v", tt.have, tt.want, got)
		}
		if got := Equal(tt.want, tt.have); got != tt.equal {
			t.Errorf("Equal(%s, %s) = %v", tt.want, tt.have, got)
		}
	}
}
