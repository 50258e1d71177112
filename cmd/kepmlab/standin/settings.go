package standin

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/tailscale/hujson"
)

// maxFile is the most the stand-in reads of a JSON file, in bytes.
const maxFile = 4 << 20

// Settings are a configuration as .NET's providers see it: flat, with ":"
// between levels, keys without case, every value a string.
type Settings struct {
	values map[string]string // keys in lower case
}

// ReadSettings reads appsettings.json in root and lays the environment over it:
// NAME=value sets NAME, "__" in a name stands for ":".
func ReadSettings(root string, environ []string) (Settings, error) {
	b, err := readJSON(filepath.Join(root, "appsettings.json"))
	if err != nil {
		return Settings{}, err
	}
	s, err := ParseSettings(b)
	if err != nil {
		return Settings{}, fmt.Errorf("read appsettings.json: %w", err)
	}
	for _, pair := range environ {
		if name, value, ok := strings.Cut(pair, "="); ok {
			s.values[strings.ToLower(strings.ReplaceAll(name, "__", ":"))] = value
		}
	}
	return s, nil
}

// ParseSettings reads JSON as .NET's configuration does: a byte order mark,
// comments and trailing commas are legal; a key that comes twice is an error.
func ParseSettings(b []byte) (Settings, error) {
	v, err := hujson.Parse(bytes.TrimPrefix(b, []byte("\xef\xbb\xbf")))
	if err != nil {
		return Settings{}, err
	}
	if _, ok := v.Value.(*hujson.Object); !ok {
		return Settings{}, errors.New("the top level is not an object")
	}
	s := Settings{values: map[string]string{}}
	return s, s.flatten("", v)
}

// Get returns a value, or fallback if the key is missing.
func (s Settings) Get(key, fallback string) string {
	if v, ok := s.values[strings.ToLower(key)]; ok {
		return v
	}
	return fallback
}

// Int returns a value as a whole number, or fallback if it is missing or none.
func (s Settings) Int(key string, fallback int) int {
	n, err := strconv.Atoi(s.Get(key, ""))
	if err != nil {
		return fallback
	}
	return n
}

func (s Settings) flatten(key string, v hujson.Value) error {
	switch v := v.Value.(type) {
	case *hujson.Object:
		return s.flattenObject(key, v)
	case *hujson.Array:
		for i, e := range v.Elements {
			if err := s.flatten(join(key, strconv.Itoa(i)), e); err != nil {
				return err
			}
		}
		return nil
	case hujson.Literal:
		return s.set(key, v)
	}
	return fmt.Errorf("%q holds what is no JSON value", key)
}

func (s Settings) flattenObject(key string, o *hujson.Object) error {
	seen := map[string]bool{}
	for _, m := range o.Members {
		name := m.Name.Value.(hujson.Literal).String()
		if seen[strings.ToLower(name)] {
			return fmt.Errorf("a duplicate key %q was found", join(key, name))
		}
		seen[strings.ToLower(name)] = true
		if err := s.flatten(join(key, name), m.Value); err != nil {
			return err
		}
	}
	return nil
}

// set keeps a leaf. Two spellings of one path ("A:B", and B inside A) collide
// here and nowhere else.
func (s Settings) set(key string, v hujson.Literal) error {
	key = strings.ToLower(key)
	if _, ok := s.values[key]; ok {
		return fmt.Errorf("a duplicate key %q was found", key)
	}
	switch v.Kind() {
	case 'n':
		s.values[key] = ""
	case '"':
		s.values[key] = v.String()
	default:
		s.values[key] = string(v)
	}
	return nil
}

func join(prefix, name string) string {
	if prefix == "" {
		return name
	}
	return prefix + ":" + name
}

// readJSON reads a file up to maxFile.
func readJSON(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(b) > maxFile {
		err = fmt.Errorf("read %s: larger than %d bytes", path, maxFile)
	}
	return b, err
}
