package hcl

import (
	"strings"
	"testing"
)

// leak is written where a secret belongs; no diagnostic may show any of it.
const leak = "hunter2-Zq7"

func TestSecretsOfConnectionsAreNotEchoed(t *testing.T) {
	ssh := func(body string) string { return "connection \"ssh\" \"c\" {\n" + body + "\n}\n" }
	checkLeaks(t, map[string]string{
		"literal":            ssh(`become_password = "` + leak + `"`),
		"one line":           `connection "ssh" "c" { become_password = "` + leak + `" }`,
		"heredoc":            ssh("private_key_passphrase = <<EOF\n" + leak + "\nEOF"),
		"number":             ssh(`become_password = tonumber("` + leak + `")`),
		"function":           ssh(`become_password = parseint("` + leak + `", 10)`),
		"unquoted":           ssh(`become_password = ` + strings.ReplaceAll(leak, "-", "_")),
		"reference":          ssh(`become_password = group.` + leak),
		"inside env":         ssh(`become_password = secret::env("` + leak + `")`),
		"inside exec":        ssh(`become_password = secret::exec("` + leak + `")`),
		"inside exec's list": ssh(`become_password = secret::exec([{ x = "` + leak + `" }])`),
		"unknown source":     ssh(`become_password = secret::vault("` + leak + `")`),
		"conditional":        ssh(`become_password = true ? "` + leak + `" : null`),
		"interpolated":       ssh(`become_password = "` + leak + `${secret::env("A")}"`),
		"many lines":         ssh("become_password = (\n\"" + leak + "\"\n)"),
		"unterminated":       ssh(`become_password = "` + leak),
		"no equals sign":     ssh(`become_password "` + leak + `"`),
		"a block":            ssh(`become_password "` + leak + `" {}`),
		"unterminated doc":   ssh("become_password = <<EOF\n" + leak),
		"broken later":       ssh(`become_password = "` + leak + `" }`),
		"two on a line":      ssh(`become_password = "x" "` + leak + `"`),
		"misspelled":         ssh(`becom_pasword = "` + leak + `"`),
		"misspelled, object": `host "h" { labels = { "pasword" = "` + leak + `", "a b" = "x" } }`,
		"twice":              ssh("become_password = \"" + leak + "\"\nbecome_password = \"" + leak + "\""),
		"not yet":            ssh("password = \"" + leak + "\"\nprivate_key = \"" + leak + "\""),
		"winrm":              `connection "winrm" "c" { password = "` + leak + `" }`,
		"beside":             ssh(`user = 5 # the old password was ` + leak),
		"at the top":         `password = "` + leak + `"`,
		"in a variable":      `variable "db_password" { default = ["` + leak + `" }`,
		"of a variable":      "variable \"vault\" { default = \"" + leak + "\" }\n" + ssh("become_password = var.vault"),
		"shown by an error":  "variable \"vault_token\" { default = \"" + leak + "\" }\nlocals { x = tonumber(var.vault_token) }",
		"by a condition":     "variable \"vault_token\" {\n default = \"" + leak + "\"\n validation {\n  condition = length(var.vault_token) == 1\n  error_message = \"x\"\n }\n}",
	})
}

func TestSecretsInSettingsAreNotEchoed(t *testing.T) {
	baseline := func(body string) string { return "baseline \"b\" {\n" + body + "\n}\n" }
	checkLeaks(t, map[string]string{
		"cert_password":     baseline(`settings { cert_password = "` + leak + `" }`),
		"cert, function":    baseline(`settings { cert_password = tonumber("` + leak + `") }`),
		"cert, by its key":  baseline(`app_setting "A:CertPassword" { value = "` + leak + `" }`),
		"setting":           baseline("app_setting \"Mail:Secret\" {\n value = \"" + leak + "\"\n}"),
		"setting, unquoted": baseline("app_setting \"Mail:Secret\" {\n value = " + strings.ReplaceAll(leak, "-", "_") + "\n}"),
		"setting, function": baseline("app_setting \"Mail:Secret\" {\n value = tonumber(\"" + leak + "\")\n}"),
		"setting, no block": baseline("app_setting \"Mail:Secret\" {\n valu = \"" + leak + "\"\n"),
		"plugin setting":    baseline(`plugin_setting "P" "ApiKey" { value = "` + leak + `" }`),
		"deployment token":  baseline(`app_setting "A" { value = "EU:0123456789abcdef:` + leak + `" }`),
		"token elsewhere":   `host "EU:0123456789abcdef:` + leak + `" {}`,
	})
}

func checkLeaks(t *testing.T, cases map[string]string) {
	t.Helper()
	for name, src := range cases {
		t.Run(name, func(t *testing.T) {
			_, d := load(".", []file{{"main.kepm.hcl", []byte(src)}}, nil, Options{})
			if d.Errors() == 0 {
				t.Fatal("no error")
			}
			said := text(t, d)
			for _, one := range d.All() {
				said += one.Summary + one.Detail
			}
			for _, part := range []string{"hunter2", "Zq7"} {
				if strings.Contains(said, part) {
					t.Errorf("the secret is echoed:\n%s", said)
				}
			}
			if !strings.Contains(said, "main.kepm.hcl line") {
				t.Errorf("no place is named:\n%s", said)
			}
		})
	}
}

func TestLocalPath(t *testing.T) {
	for path, want := range map[string]string{
		"known_hosts": "known_hosts", "a/../b": "b", "~/x": "~/x", "/etc/x": "/etc/x",
		"~bob/x": "", "": "", "a\nb": "",
	} {
		got, err := localPath(path)
		if got != want || (err != nil) != (want == "") {
			t.Errorf("%q: got %q, %v, want %q", path, got, err, want)
		}
	}
}
