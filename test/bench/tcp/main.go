// Command tcp compares Souk with boxo and bare streams over TCP, on the wall clock:
// both nodes are in this process, and between them is a proxy that delays and
// throttles as a long link does. TCP differs from QUIC in what yamux does: windows of
// 256 KiB that grow with the round trip, one pipe for all streams, and streams that
// are closed without the other side hearing of it.
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/souk-p2p/souk/test/internal/exchanges"
	"github.com/souk-p2p/souk/test/internal/figure"
	"github.com/souk-p2p/souk/test/internal/program"
	"github.com/souk-p2p/souk/test/sim"
)

func main() { program.Main("tcp", command) }

// options are the sizes of the scenarios.
type options struct {
	link      link
	runs      int
	scenarios []string
	sides     []sim.Sides

	bytes int64         // of a download
	wants int           // of a flood
	chain int           // blocks of a chain
	idle  time.Duration // longer than streams are kept
}

// allSides are compared in each scenario. Bare streams come first: the others are
// measured against them.
var allSides = []sim.Sides{
	sim.Both(exchanges.MakeBare),
	sim.Both(exchanges.MakeBoxo),
	sim.Both(exchanges.MakeSouk),
	{Seed: exchanges.MakeSouk, Client: exchanges.MakeBoxo},
	{Seed: exchanges.MakeBoxo, Client: exchanges.MakeSouk},
}

func command(ctx context.Context, args []string) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	for _, s := range scenarios(o) {
		if !slices.Contains(o.scenarios, s.word) {
			continue
		}
		if err := s.compare(ctx, o); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return nil
}

func parse(args []string) (o options, err error) {
	f := flag.NewFlagSet("tcp", flag.ContinueOnError)
	mbps := f.Float64("mbps", 100, "bandwidth of the link each way, in `Mb/s`")
	f.DurationVar(&o.link.RoundTrip, "rtt", 100*time.Millisecond, "round trip of the link")
	window := f.Uint("window", 256, "`KiB` that a stream may send at first; 256 is what libp2p has")
	f.IntVar(&o.runs, "runs", 3, "how often everything is measured; the median counts")
	size := f.Float64("size", 16, "`MiB` of the downloads")
	f.IntVar(&o.wants, "wants", 4000, "blocks of 4 KiB in the flood")
	f.IntVar(&o.chain, "chain", 20, "blocks of the chain")
	f.DurationVar(&o.idle, "idle", 17*time.Second, "how long a node does nothing; streams are closed after 15 s")
	only := f.String("only", "", "of "+strings.Join(words(), ", ")+" (default: all)")
	made := f.String("makes", "", "of "+strings.Join(sideWords(), ", ")+" (default: all)")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	o.link.window = uint32(*window << 10)
	o.link.Bandwidth, o.bytes = int(*mbps*1e6), int64(*size*(1<<20))
	if o.link.Bandwidth < 1 || o.link.RoundTrip < 0 || min(int64(o.runs), o.bytes, int64(o.wants), int64(o.chain)) < 1 {
		return o, fmt.Errorf("sizes, numbers and the bandwidth have to be positive")
	}
	if o.scenarios, err = choose(*only, words()); err != nil {
		return o, fmt.Errorf("-only: %w", err)
	}
	chosen, err := choose(*made, sideWords())
	if err != nil {
		return o, fmt.Errorf("-makes: %w", err)
	}
	for _, s := range allSides {
		if slices.Contains(chosen, s.String()) {
			o.sides = append(o.sides, s)
		}
	}
	return o, nil
}

// choose splits a list of words that are among those that there are, and returns
// all for none.
func choose(list string, of []string) ([]string, error) {
	if list == "" {
		return of, nil
	}
	chosen := strings.Split(list, ",")
	for _, w := range chosen {
		if !slices.Contains(of, w) {
			return nil, fmt.Errorf("%q is none of %s", w, strings.Join(of, ", "))
		}
	}
	return chosen, nil
}

func sideWords() []string {
	var all []string
	for _, s := range allSides {
		all = append(all, s.String())
	}
	return all
}

// slow is how long a run may take and be repeated. Of what waits for timeouts of
// minutes one run says as much as three.
const slow = time.Minute

// compare plays a scenario with all makes in turn, and publishes the medians.
func (s scenario) compare(ctx context.Context, o options) error {
	all := make([][]measured, len(o.sides))
	for range o.runs {
		for i, side := range o.sides {
			if len(all[i]) > 0 && all[i][0].took > slow {
				continue
			}
			m, err := s.measure(ctx, side, o.link)
			if err != nil {
				return fmt.Errorf("%s: %w", side, err)
			}
			all[i] = append(all[i], m)
		}
	}
	for i, side := range o.sides {
		if err := s.publish(side, median(all[i]), o.link); err != nil {
			return err
		}
	}
	return nil
}

// median is the run whose time is in the middle.
func median(runs []measured) measured {
	slices.SortFunc(runs, func(a, b measured) int { return cmp.Compare(a.took, b.took) })
	return runs[(len(runs)-1)/2]
}

func (s scenario) publish(side sim.Sides, m measured, l link) error {
	r := figure.Row{
		Suite:    "tcp",
		Scenario: fmt.Sprintf("%s, %g Mb/s, %s, windows of %d KiB", s.name, float64(l.Bandwidth)/1e6, l.RoundTrip, l.window>>10),
		Make:     side.String(),
		Values: []figure.Value{
			{Name: "time", Unit: "s", Number: m.took.Seconds()},
			{Name: "ideal", Unit: "s", Number: s.ideal.Seconds()},
			{Name: "duplicates", Number: float64(m.duplicates)},
			{Name: "messages", Number: float64(m.messages)},
		},
	}
	fmt.Printf("%s: %s: %.2f s, %.2f of the ideal, %d duplicates, %d messages\n",
		r.Scenario, r.Make, m.took.Seconds(), m.took.Seconds()/s.ideal.Seconds(), m.duplicates, m.messages)
	return figure.Emit(r)
}
