package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/kepmctl/kepmctl/cmd/kepmlab/simfleet"
)

// commands are the shell steps below a part of a CI's file, in order.
func commands(v any) (list []string) {
	switch v := v.(type) {
	case []any:
		for _, one := range v {
			list = append(list, commands(one)...)
		}
	case map[string]any:
		for _, key := range []string{"run", "script", "after_script", "steps", "jobs", "strategy", "runOnce", "deploy"} {
			switch one := v[key].(type) {
			case string:
				list = append(list, one)
			case []any:
				if key == "steps" || key == "jobs" {
					list = append(list, commands(one)...)
					continue
				}
				for _, line := range one {
					list = append(list, line.(string))
				}
			case map[string]any:
				list = append(list, commands(one)...)
			}
		}
	}
	return list
}

// stage is what a file does at one of the stages review, plan, apply and drift.
func stage(t *testing.T, file, name string) []string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("../../examples/gitops", file))
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if err := yaml.Unmarshal(b, &doc); err != nil {
		t.Fatal(err)
	}
	part := doc[name] // GitLab
	if jobs, ok := doc["jobs"].(map[string]any); ok {
		part = jobs[name]
	}
	if stages, ok := doc["stages"].([]any); ok {
		for _, s := range stages {
			if s, ok := s.(map[string]any); ok && s["stage"] == name {
				part = s
			}
		}
	}
	list := commands(part)
	if len(list) == 0 {
		t.Fatalf("%s has no steps for %s", file, name)
	}
	return list
}

// A comments is a stand-in for the comments of one pull request.
type comments struct {
	mu   sync.Mutex
	list []map[string]any
	t    *testing.T
}

func (c *comments) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !strings.Contains(r.Header.Get("Authorization")+r.Header.Get("Private-Token"), "s3cret") {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if r.Method == http.MethodGet {
		_ = json.NewEncoder(w).Encode(c.list) // the client notices
		return
	}
	var sent struct{ Body string }
	b, err := io.ReadAll(r.Body)
	if err == nil {
		err = json.Unmarshal(b, &sent)
	}
	if err != nil {
		c.t.Error(err)
	}
	if r.Method == http.MethodPost {
		c.list = append(c.list, map[string]any{"id": len(c.list) + 1, "body": sent.Body})
		return
	}
	for _, one := range c.list {
		if strings.HasSuffix(r.URL.Path, fmt.Sprintf("/%v", one["id"])) {
			one["body"] = sent.Body
		}
	}
}

// The shell steps of the examples, on a fleet: drift is reported and recorded, a pull
// request is reviewed from that without a host, the saved plan is carried out.
func TestGitOpsExamples(t *testing.T) {
	for _, tool := range []string{"jq", "curl"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("there is no %s", tool)
		}
	}
	examples, err := filepath.Abs("../../examples")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"github-actions.yml", "gitlab-ci.yml", "azure-pipelines.yml"} {
		t.Run(file, func(t *testing.T) {
			b := built(t, "kepmctl")
			f := b.simulated(12, "", "")
			pull := &comments{t: t, list: []map[string]any{{"id": 1, "body": "Looks good."}}}
			api := httptest.NewServer(pull)
			t.Cleanup(api.Close)
			if err := os.Symlink(examples, filepath.Join(b.lab, "examples")); err != nil {
				t.Fatal(err)
			}
			env := append(os.Environ(), "HOME="+t.TempDir(), "PATH="+b.bin+":"+os.Getenv("PATH"), "KEPM_IN_AUTOMATION=1",
				"GITHUB_SHA=0123abc", "CI_COMMIT_SHA=0123abc", "BUILD_SOURCEVERSION=0123abc", "PIPELINE_WORKSPACE="+filepath.Join(b.lab, "w"),
				"TOKEN=s3cret", "KEPMCTL_COMMENT_TOKEN=s3cret", "NUMBER=7", "CI_MERGE_REQUEST_IID=7",
				"GITHUB_API_URL="+api.URL, "GITHUB_REPOSITORY=o/r", "CI_API_V4_URL="+api.URL, "CI_PROJECT_ID=3")
			run := func(name string, want int) string {
				t.Helper()
				cmd := exec.Command("sh", "-e", "-c", strings.Join(stage(t, file, name), "\n"))
				cmd.Dir, cmd.Env = b.lab, env
				out, err := cmd.CombinedOutput()
				if code := cmd.ProcessState.ExitCode(); code != want {
					t.Fatalf("%s: exit %d, want %d: %v\n%s", name, code, want, err, out)
				}
				return string(out)
			}
			if b.must(0, "kepmctl", "fmt", b.lab); run("drift", 2) == "" {
				t.Error("drift says nothing")
			}
			reached := slices.ContainsFunc(f.States(), func(s simfleet.State) bool { return s.Committed > 0 })
			run("review", 0)
			run("review", 0)
			run("plan", 0)
			if err := os.MkdirAll(filepath.Join(b.lab, "w", "plan"), 0o700); err != nil {
				t.Fatal(err)
			}
			if plan, err := os.ReadFile(filepath.Join(b.lab, "fleet.plan")); err != nil || os.WriteFile(filepath.Join(b.lab, "w", "plan", "fleet.plan"), plan, 0o600) != nil {
				t.Fatal(err)
			}
			if reached || slices.ContainsFunc(f.States(), func(s simfleet.State) bool { return s.Committed > 0 }) {
				t.Error("a host was changed before the plan was applied")
			}
			if out := run("apply", 0); !strings.Contains(out, "Apply complete!") {
				t.Error(out)
			}
			run("drift", 0)
			if file == "azure-pipelines.yml" {
				return
			}
			if len(pull.list) != 2 || !strings.Contains(pull.list[1]["body"].(string), "<!-- kepmctl:plan -->") || pull.list[0]["body"] != "Looks good." {
				t.Errorf("the comments are %v", pull.list)
			}
		})
	}
}
