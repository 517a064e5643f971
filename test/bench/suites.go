package main

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/souk-p2p/souk/test/internal/figure"
)

// A suite is a program of its own, below this one.
type suite struct {
	name  string
	says  string   // what it measures, for the table
	start []string // the command, which takes flags at its end
	args  []string
}

// suites are all, in the order of the table. Those in virtual time are tests,
// because only tests have one; -v lets them say how far they are.
var suites = []suite{
	{
		name: "virtual", says: "In virtual time, over QUIC on simulated links",
		start: []string{"go", "test", "./test/bench/virtual", "-run=^TestTable$", "-v", "-count=1", "-timeout=0", "-args", "-full"},
	},
	{name: "tcp", says: "Over TCP, through a proxy that delays and throttles", start: []string{"go", "run", "./test/bench/tcp"}},
	{name: "wall", says: "On the wall clock, over the loopback interface", start: []string{"go", "run", "./test/bench/wall"}},
	{
		name: "resolver", says: "The resolver, from many peers of which a tenth is slow and a tenth lies",
		start: []string{"go", "test", "-tags", "simulation", "./test/bench/resolver", "-v", "-count=1", "-timeout=0", "-args", "-full"},
	},
	{
		name: "download", says: "Downloads of 10,000 resources over 100 nodes, decided in virtual time",
		start: []string{"go", "test", "-tags", "simulation", "./test/bench/download", "-v", "-count=1", "-timeout=0", "-args", "-full"},
	},
	{name: "get", says: "`souk get` from process to process, with repositories on disk", start: []string{"go", "run", "./test/bench/get"}},
}

// split gives each suite that is named its flags. A name right after a flag is the
// flag's value: "get -transports tcp" is one suite.
func split(args []string) ([]suite, error) {
	var chosen []suite
	for n, a := range args {
		value := n > 0 && strings.HasPrefix(args[n-1], "-") && !strings.Contains(args[n-1], "=")
		if i := slices.IndexFunc(suites, func(s suite) bool { return s.name == a }); i >= 0 && !value {
			chosen = append(chosen, suites[i])
			continue
		}
		if len(chosen) == 0 {
			return nil, fmt.Errorf("no suite %q: there are %s", a, names())
		}
		last := &chosen[len(chosen)-1]
		last.args = append(last.args, a)
	}
	return chosen, nil
}

func names() string {
	all := make([]string, len(suites))
	for i, s := range suites {
		all[i] = s.name
	}
	return strings.Join(all, ", ")
}

// run runs a suite, which appends its figures to the file.
func (s suite) run(file string) error {
	line := slices.Concat(s.start, s.args)
	cmd := exec.Command(line[0], line[1:]...)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	cmd.Env = append(os.Environ(), figure.File+"="+file)
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w", strings.Join(line, " "), err)
	}
	return nil
}
