// Package figure hands what a benchmark has measured to the command that prints
// it. The suites run in processes of their own, because some need the test binary
// for virtual time and others must not share a heap: each appends its rows to one
// file, a row a line.
package figure

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

// File is the environment variable that names the file which rows are appended
// to. Without it rows go nowhere.
const File = "SOUK_FIGURES"

// Row is one cell of a comparison: one make in one scenario, the median of its
// runs.
type Row struct {
	Suite    string // virtual, tcp, wall, resolver, download or get
	Scenario string // with its sizes, as it is printed
	Make     string // bare, boxo, souk, "boxo to souk" (seed first) ...
	Values   []Value
}

// Value is one quantity of a row. The same quantity has the same name and unit in
// every row, so that ratios can be made of it.
type Value struct {
	Name   string // the column
	Unit   string // "s", "B", "MB/s", "x" of a ratio, or "" of a count
	Number float64
}

// Of returns the value with the given name.
func (r Row) Of(name string) (float64, bool) {
	for _, v := range r.Values {
		if v.Name == name {
			return v.Number, true
		}
	}
	return 0, false
}

// Emit appends a row to the file that the environment names.
func Emit(r Row) error {
	path := os.Getenv(File)
	if path == "" {
		return nil
	}
	line, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("figure of %q: %w", r.Scenario, err)
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(append(line, '\n'))
	return errors.Join(err, f.Close())
}

// Read returns the rows of a file in the order in which they were emitted.
func Read(r io.Reader) ([]Row, error) {
	var rows []Row
	for d := json.NewDecoder(r); ; {
		var row Row
		switch err := d.Decode(&row); {
		case errors.Is(err, io.EOF):
			return rows, nil
		case err != nil:
			return rows, fmt.Errorf("row %d: %w", len(rows), err)
		}
		rows = append(rows, row)
	}
}
