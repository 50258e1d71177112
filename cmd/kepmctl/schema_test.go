package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

const (
	schemas   = "../../docs/schema"
	schemaURL = "https://github.com/kepmctl/kepmctl/docs/schema/"
	ofEvents  = "events.schema.json"
)

// compileSchema reads the published schemas, which refer to one another by URL.
func compileSchema(name string) (*jsonschema.Schema, error) {
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	for _, file := range []string{"plan.schema.json", ofEvents, "report.schema.json"} {
		b, err := os.ReadFile(filepath.Join(schemas, file))
		if err != nil {
			return nil, err
		}
		v, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
		if err != nil {
			return nil, err
		}
		if err := c.AddResource(schemaURL+file, v); err != nil {
			return nil, err
		}
	}
	return c.Compile(schemaURL + name)
}

// eventTypes are the types that the schema describes.
func eventTypes() (map[string]bool, error) {
	b, err := os.ReadFile(filepath.Join(schemas, ofEvents))
	if err != nil {
		return nil, err
	}
	var s struct {
		AllOf []struct {
			If struct {
				Properties struct{ Type struct{ Const string } }
			}
		}
	}
	types := map[string]bool{}
	err = json.Unmarshal(b, &s)
	for _, one := range s.AllOf {
		types[one.If.Properties.Type.Const] = true
	}
	return types, err
}

// fitsSchema checks a document, or a stream of events: each event and their order.
func fitsSchema(text, name string) error {
	s, err := compileSchema(name)
	if err != nil {
		return err
	}
	if name != ofEvents {
		v, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
		if err != nil {
			return err
		}
		return s.Validate(v)
	}
	types, err := eventTypes()
	if err != nil {
		return err
	}
	var order []string
	for line := range strings.Lines(text) {
		v, err := jsonschema.UnmarshalJSON(strings.NewReader(line))
		if err != nil {
			return fmt.Errorf("%s: %w", line, err)
		}
		if err := s.Validate(v); err != nil {
			return fmt.Errorf("%s: %w", line, err)
		}
		event := v.(map[string]any)
		kind := event["type"].(string)
		order = append(order, kind)
		if !types[kind] {
			return fmt.Errorf("the schema does not describe the type %q", kind)
		}
		if seq := fmt.Sprint(event["seq"]); seq != fmt.Sprint(len(order)) {
			return fmt.Errorf("line %d has seq %s", len(order), seq)
		}
	}
	if len(order) < 2 || order[0] != "version" || order[len(order)-1] != "summary" {
		return fmt.Errorf("the stream does not begin with a version and end with a summary: %v", order)
	}
	return nil
}

// schema FILE SCHEMA checks what kepmctl wrote against a published schema.
func schema(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: schema FILE SCHEMA")
	}
	if err := fitsSchema(ts.ReadFile(args[0]), args[1]); (err != nil) != neg {
		ts.Fatalf("%s against %s: %v", args[0], args[1], err)
	}
}

// What the report writes, with an apply's events and results, is as published.
func TestStreamFitsTheSchema(t *testing.T) {
	b, err := os.ReadFile("../../plans/report/testdata/lines.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	var streams []string
	for line := range strings.Lines(string(b)) {
		if strings.Contains(line, `"type":"version"`) {
			streams = append(streams, "")
		}
		streams[len(streams)-1] += line
	}
	for _, stream := range streams {
		if err := fitsSchema(stream, ofEvents); err != nil {
			t.Error(err)
		}
	}
	last := streams[len(streams)-1]
	if b, err = os.ReadFile("../../plans/report/testdata/report-json.txt"); err != nil {
		t.Fatal(err)
	}
	if err := fitsSchema(string(b), "report.schema.json"); err != nil {
		t.Error(err)
	}
	for _, c := range [][2]string{
		{`"status":"done"`, `"status":"dnoe"`},
		{`"host":"app-001"`, `"hots":"app-001"`},
		{`"seq":2`, `"seq":3`},
		{`"type":"host_done"`, `"type":"host_ended"`},
		{`"@timestamp":"1970-01-01T`, `"@timestamp":"yesterday`},
		{`"run_id"`, `"run"`},
		{`"step":"changing"`, `"step":7`},
		{`"need_person"`, `"person"`},
	} {
		mutated := strings.Replace(last, c[0], c[1], 1)
		if mutated == last {
			t.Errorf("%s is not in the stream", c[0])
		} else if fitsSchema(mutated, ofEvents) == nil {
			t.Errorf("%s may become %s", c[0], c[1])
		}
	}
}
