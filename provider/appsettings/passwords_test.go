package appsettings

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPasswords(t *testing.T) {
	tests := []struct {
		name, in string
		want     []string
	}{
		{"none", `{"A": 1}`, nil},
		{"root", `{"CertPassword": "x"}`, []string{"CertPassword"}},
		{"empty", `{"CertPassword": "", "Certificate": {"Password": null}}`, nil},
		{"nothing inside", `{"CertPassword": {}, "Certificate": {"Password": []}}`, nil},
		{"any case", `{"S": {"certPASSWORD": "x"}}`, []string{"S:certPASSWORD"}},
		{"escaped name", `{"\u0043ertPassword": "x"}`, []string{"CertPassword"}},
		{"blank is not empty", `{"CertPassword": " "}`, []string{"CertPassword"}},
		{"number", `{"CertPassword": 1234}`, []string{"CertPassword"}},
		{"inside", `{"CertPassword": ["", "x", {"y": "z"}]}`, []string{"CertPassword:1", "CertPassword:2:y"}},
		{"below a certificate", `{"Https": {"Certificate": {"Path": "p", "Password": "x"}}}`, []string{"Https:Certificate:Password"}},
		{"far below", `{"certificate": [{"a": {"PASSWORD": "x"}}]}`, []string{"certificate:0:a:PASSWORD"}},
		{"not below", `{"Password": "x", "Certificates": {"Password": "x"}, "Password2": {"Certificate": "x"}}`, nil},
		{"above", `{"Password": {"Certificate": "x"}}`, nil},
		{"colons", `{"Https:Certificate:Password": "x", "Certificate": {"a:Password": "y"}, "S:CertPassword": "z"}`, []string{"Https:Certificate:Password", "Certificate:a:Password", "S:CertPassword"}},
		{"root array", "\uFEFF[\r\n{\"CertPassword\": \"x\"}, // c\r\n]", []string{"0:CertPassword"}},
		{"root value", `"x"`, nil},
		{"duplicates", `{"CertPassword": "", "certpassword": "x", "CertPassword": "y"}`, []string{"certpassword", "CertPassword"}},
		{"in a comment", `{/* "CertPassword": "x" */}`, nil},
	}
	for _, tt := range tests {
		got, err := Passwords([]byte(tt.in))
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
	for _, in := range []string{"", "{", "\xff\xfe{\x00", `{"CertPassword": "hunter2\x"}`} {
		var typed *Error
		if _, err := Passwords([]byte(in)); !errors.As(err, &typed) {
			t.Errorf("%q: error is %v, want an *Error", in, err)
		}
	}
}
