// Command wall measures exchanges over loopback on the wall clock: how fast they
// move blocks, what that costs in processor time and memory, and what they keep
// while they wait. It runs each scenario with every make in turn, several times,
// prints the medians, and emits them as figures.
//
//	go run ./test/bench/wall [-scenarios bulk,small,fan,sessions,wants,idle] [flags]
//
// Both ends are in this process, as far as not said otherwise: what is measured
// is the cost of both. With -apart the seed is a process of its own and each of
// the two has one processor. Only ratios between makes in one run mean anything
// on a machine that does other work.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/souk-p2p/souk/test/internal/exchanges"
	"github.com/souk-p2p/souk/test/internal/program"
)

// config is what the flags say.
type config struct {
	scenarios  []string
	transports []string
	makes      []exchanges.Make
	runs       int
	limit      time.Duration
	apart      bool
	profile    string

	bulk      []int // KiB of a block
	bulkMiB   int
	small     int // bytes of a block
	smalls    int
	call      int
	calls     int
	fans      []int
	fanMiB    int
	sessions  int
	perCall   int // blocks of a session
	sessionKB int
	wants     int
	peers     int
	silent    bool
}

func main() { program.Main("wall", command) }

// command is the benchmark, or a seed that it starts in a process of its own.
func command(_ context.Context, args []string) error {
	if len(args) > 0 && args[0] == serveVerb {
		return serve(args[1:])
	}
	c, err := parse(args)
	if err != nil {
		return err
	}
	return run(c)
}

func parse(args []string) (*config, error) {
	c := new(config)
	f := flag.NewFlagSet("wall", flag.ContinueOnError)
	scenarios := f.String("scenarios", "bulk,small,fan,sessions,wants,idle", "what to measure")
	links := f.String("transports", "noise,tls,quic", "for bulk and small; the others use the first")
	makes := f.String("makes", "bare,boxo,souk", "whom to measure")
	bulk := f.String("bulk", "256,1024", "KiB of large blocks")
	fans := f.String("fans", "1,2,4,8,16", "downloaders of one seed")
	procs := f.Int("procs", 0, "GOMAXPROCS; 0 for all processors")
	f.IntVar(&c.runs, "runs", 5, "of which the median counts")
	f.DurationVar(&c.limit, "limit", time.Minute, "for one transfer; what has not come by then counts as not moved")
	f.BoolVar(&c.apart, "apart", false, "put the seed of bulk and small into a process of its own, each with one processor")
	f.StringVar(&c.profile, "profile", "", "write PREFIX.cpu and PREFIX.allocs of the last transfer")
	f.IntVar(&c.bulkMiB, "bulk-mib", 256, "of large blocks in all")
	f.IntVar(&c.small, "small", 1024, "bytes of a small block")
	f.IntVar(&c.smalls, "smalls", 60_000, "small blocks")
	f.IntVar(&c.call, "call", 256, "CIDs of one call for small blocks; 0 for all, which boxo's servers drop over 1,024")
	f.IntVar(&c.calls, "calls", 3, "calls for small blocks at a time")
	f.IntVar(&c.fanMiB, "fan-mib", 32, "for each downloader of a fan-out")
	f.IntVar(&c.sessions, "sessions", 1000, "at once")
	f.IntVar(&c.perCall, "session-blocks", 4, "of each session")
	f.IntVar(&c.sessionKB, "session-kib", 32, "of each of these blocks")
	f.IntVar(&c.wants, "wants", 20_000, "outstanding, for their memory")
	f.IntVar(&c.peers, "peers", 8, "that do not have what is wanted")
	f.BoolVar(&c.silent, "silent", false, "these peers answer nothing, instead of DONT_HAVE")
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	if *procs > 0 {
		runtime.GOMAXPROCS(*procs)
	}
	c.scenarios, c.transports = words(*scenarios), words(*links)
	for _, m := range words(*makes) {
		c.makes = append(c.makes, exchanges.Make(m))
	}
	var err1, err2 error
	c.bulk, err1 = numbers(*bulk)
	c.fans, err2 = numbers(*fans)
	return c, cmp.Or(err1, err2, c.validate())
}

func (c *config) validate() error {
	for _, name := range c.scenarios {
		if scenarios[name] == nil {
			return fmt.Errorf("no scenario %q", name)
		}
	}
	for _, name := range c.transports {
		if _, ok := transports[name]; !ok {
			return fmt.Errorf("no transport %q", name)
		}
	}
	if c.runs < 1 || len(c.transports) == 0 || len(c.makes) == 0 {
		return errors.New("nothing to run")
	}
	return nil
}

// scenarios are what can be measured, by name.
var scenarios = map[string]func(*config) error{
	"bulk": bulk, "small": small, "fan": fan, "sessions": crowd, "wants": outstanding, "idle": idle,
}

func run(c *config) error {
	for _, name := range c.scenarios {
		if err := scenarios[name](c); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func words(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
}

func numbers(list string) ([]int, error) {
	var ns []int
	for _, w := range words(list) {
		n, err := strconv.Atoi(w)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("%q is no list of positive numbers", list)
		}
		ns = append(ns, n)
	}
	return ns, nil
}
