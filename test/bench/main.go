// Command bench runs Souk, boxo and bare streams in the same scenarios and prints
// what they took in one table, with ratios.
//
//	go run ./test/bench [flags] [SUITE [flags of the suite]]...
//	go run ./test/bench virtual -only fan-out -downloaders 32 -bandwidth 50 -rtt 80ms
//	go run ./test/bench -runs 3 wall -scenarios bulk get -size 64
//
// Without a suite all of them run, at the sizes that are published. A suite takes
// what follows its name, up to the next name; its -h lists its flags. A suite
// that fails does not keep the others from running.
//
// With -write the tables of a document are replaced, those of the suites that
// were run, and with -summary what the README says of them. Runs can be
// put together: -keep appends what was measured to a file, and -from reads such a
// file instead of running anything; of what it holds twice the later counts.
package main

import (
	"context"
	"errors"
	"flag"
	"os"
	"slices"
	"strconv"

	"github.com/souk-p2p/souk/test/internal/figure"
	"github.com/souk-p2p/souk/test/internal/program"
)

type options struct {
	runs                       int
	write, summary, keep, from string
	suites                     []suite
}

func main() { program.Main("bench", run) }

func run(_ context.Context, args []string) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	rows, failed := o.rows()
	printText(os.Stdout, rows)
	if failed != nil {
		return failed // and the documents stay as they are
	}
	return o.publish(rows)
}

func parse(args []string) (o options, err error) {
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.IntVar(&o.runs, "runs", 5, "how often each cell is measured; the median counts")
	f.StringVar(&o.write, "write", "", "`document` whose tables are replaced")
	f.StringVar(&o.summary, "summary", "", "`document` whose summary is replaced")
	f.StringVar(&o.keep, "keep", "", "`file` to which the figures are appended")
	f.StringVar(&o.from, "from", "", "`file` with figures, instead of measuring")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if o.suites, err = split(f.Args()); err != nil {
		return o, err
	}
	if o.from != "" && len(o.suites) > 0 {
		return o, errors.New("either -from or suites to run")
	}
	if o.from == "" && len(o.suites) == 0 {
		o.suites = slices.Clone(suites)
	}
	return o, nil
}

// rows measures, or reads what was measured.
func (o options) rows() ([]figure.Row, error) {
	if o.from != "" {
		return read(o.from)
	}
	file := o.keep
	if file == "" {
		f, err := os.CreateTemp("", "figures")
		if err != nil {
			return nil, err
		}
		file = f.Name()
		defer os.Remove(file)
		if err := f.Close(); err != nil {
			return nil, err
		}
	}
	var failed error
	for _, s := range o.suites {
		s.args = append([]string{"-runs", strconv.Itoa(o.runs)}, s.args...)
		failed = errors.Join(failed, s.run(file))
	}
	rows, err := read(file)
	return rows, errors.Join(failed, err)
}

func read(path string) ([]figure.Row, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	rows, err := figure.Read(f)
	return latest(rows), err
}

// latest keeps the last of the rows that measure the same, where the first was.
func latest(rows []figure.Row) []figure.Row {
	at := make(map[[3]string]int)
	var kept []figure.Row
	for _, r := range rows {
		key := [3]string{r.Suite, r.Scenario, r.Make}
		if i, ok := at[key]; ok {
			kept[i] = r
			continue
		}
		at[key] = len(kept)
		kept = append(kept, r)
	}
	return kept
}
