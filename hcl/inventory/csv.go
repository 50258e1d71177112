package inventory

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// CSV reads a table whose first line names its columns. Columns says which of them
// gives what: a field ("name", "address", "port", "user", "os") or a label, to the
// column's own name. Without it the columns are called as what they give.
func CSV(text []byte, columns map[string]string) (*Inventory, error) {
	r := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))))
	r.TrimLeadingSpace = true
	header, err := r.Read()
	if errors.Is(err, io.EOF) {
		return nil, errors.New("the table is empty: its first line names the columns")
	}
	if err != nil {
		return nil, err
	}
	at, err := placed(header, columns)
	if err != nil {
		return nil, err
	}
	inventory := &Inventory{}
	seen := map[string]int{}
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			inventory.tidy()
			return inventory, nil
		}
		if err != nil {
			return nil, err
		}
		line, _ := r.FieldPos(0)
		h, err := inventory.row(row, at)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
		if first, twice := seen[h.Name]; twice {
			return nil, fmt.Errorf("line %d: host %.80q is already on line %d", line, h.Name, first)
		}
		seen[h.Name] = line
		if inventory.Hosts = append(inventory.Hosts, h); len(inventory.Hosts) > maxHosts {
			return nil, fmt.Errorf("it has more than %d hosts", maxHosts)
		}
	}
}

// placed finds the column of each field and label.
func placed(header []string, columns map[string]string) (map[string]int, error) {
	at := map[string]int{}
	for i, name := range header {
		header[i] = strings.TrimSpace(name)
	}
	if columns == nil {
		for i, name := range header {
			at[name] = i
		}
	}
	for _, what := range names(columns) {
		i := slices.Index(header, columns[what])
		if i < 0 {
			return nil, fmt.Errorf("there is no column %q for %s: the table has %s", columns[what], what, strings.Join(header, ", "))
		}
		at[what] = i
	}
	if _, named := at["name"]; !named {
		return nil, fmt.Errorf("no column gives the hosts' names: write columns = { name = \"...\" }; the table has %s", strings.Join(header, ", "))
	}
	return at, nil
}

func (i *Inventory) row(row []string, at map[string]int) (Host, error) {
	h := Host{Labels: map[string]string{}}
	for _, what := range names(at) {
		value := strings.TrimSpace(row[at[what]])
		switch {
		case value == "":
		case what == "name":
			h.Name = value
		case what == "address":
			h.Address = value
		case what == "user":
			h.User = value
		case what == "os":
			h.OS = strings.ToLower(value)
		case what == "port":
			n, err := strconv.Atoi(value)
			if err != nil {
				return h, fmt.Errorf("the port %.20q is no number", value)
			}
			h.Port = n
		default:
			i.label(&h, what, value)
		}
	}
	if h.Name == "" {
		return h, errors.New("the host has no name")
	}
	return h, nil
}
