package virtual

import (
	"flag"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/souk-p2p/souk/test/sim"
)

// list is a flag with one value or several.
type list[T any] struct {
	values []T
	parse  func(string) (T, error)
}

func (l *list[T]) String() string { return strings.Trim(fmt.Sprint(l.values), "[]") }

// Set parses values between commas.
func (l *list[T]) Set(s string) error {
	for _, part := range strings.Split(s, ",") {
		v, err := l.parse(strings.TrimSpace(part))
		if err != nil {
			return err
		}
		l.values = append(l.values, v)
	}
	return nil
}

// Override changes what scenarios are run with. What was not given stays as it
// is; with several values a scenario is run with each.
type Override struct {
	seeds, downloaders, peers, blocks, size, files list[int]
	bytes, bandwidth, loss                         list[float64]
	roundTrip, read                                list[time.Duration]
}

// Register defines the flags.
func (o *Override) Register(f *flag.FlagSet) {
	number := func(l *list[int], name, says string) {
		l.parse = strconv.Atoi
		f.Var(l, name, says)
	}
	real := func(l *list[float64], name, says string) {
		l.parse = func(s string) (float64, error) { return strconv.ParseFloat(s, 64) }
		f.Var(l, name, says)
	}
	number(&o.seeds, "seeds", "seeds that have everything")
	number(&o.downloaders, "downloaders", "nodes that download")
	number(&o.peers, "peers", "connected peers one of which has it")
	number(&o.blocks, "blocks", "blocks, which are also the wants of a flood and the links of a chain")
	number(&o.size, "block", "bytes of a block")
	number(&o.files, "files", "files of a tree")
	real(&o.bytes, "mib", "MiB to download, in blocks of 256 KiB unless -block is given")
	real(&o.bandwidth, "bandwidth", "Mb/s of a link; goes in step with -rtt and -loss")
	real(&o.loss, "loss", "per cent of the packets that are lost on the way")
	o.roundTrip.parse = time.ParseDuration
	o.read.parse = time.ParseDuration
	f.Var(&o.roundTrip, "rtt", "round trip of a link")
	f.Var(&o.read, "read", "what a read of a slow store takes")
}

// apply returns the settings as they are with the flags, each once.
func (o *Override) apply(f family, settings []setting) []setting {
	settings = each(settings, o.seeds.values, func(c *setting, v int) { c.seeds = v })
	settings = each(settings, o.downloaders.values, func(c *setting, v int) { c.downloaders = v })
	settings = each(settings, o.peers.values, func(c *setting, v int) { c.peers = v })
	settings = each(settings, o.files.values, func(c *setting, v int) { c.files = v })
	settings = each(settings, o.size.values, func(c *setting, v int) { c.size = v })
	settings = each(settings, o.blocks.values, func(c *setting, v int) { c.blocks = v })
	settings = each(settings, o.read.values, func(c *setting, v time.Duration) { c.read = v })
	settings = each(settings, o.bytes.values, func(c *setting, v float64) { c.blocks = max(1, int(v*mib)/c.size) })
	return once(f, o.overLinks(settings))
}

func each[T any](settings []setting, values []T, set func(c *setting, v T)) []setting {
	if len(values) == 0 {
		return settings
	}
	var all []setting
	for _, c := range settings {
		for _, v := range values {
			c := c
			set(&c, v)
			all = append(all, c)
		}
	}
	return all
}

// overLinks sets the links of each setting: of its seeds in turn, or of everybody,
// one link after the other.
func (o *Override) overLinks(settings []setting) []setting {
	n := max(len(o.bandwidth.values), len(o.roundTrip.values), len(o.loss.values))
	if n == 0 {
		return settings
	}
	var all []setting
	for _, c := range settings {
		if c.links != nil {
			c.links = o.links(c.links, n)
			all = append(all, c)
			continue
		}
		for _, l := range o.links([]sim.Link{c.link}, n) {
			all = append(all, c.over(l))
		}
	}
	return all
}

// links returns n links, or as many as there were when that is more.
func (o *Override) links(were []sim.Link, n int) []sim.Link {
	if n == 1 {
		n = len(were)
	}
	all := make([]sim.Link, n)
	for i := range all {
		l := were[i%len(were)]
		if v := o.bandwidth.values; len(v) > 0 {
			l.Bandwidth = int(v[i%len(v)] * mbs)
		}
		if v := o.roundTrip.values; len(v) > 0 {
			l.RoundTrip = v[i%len(v)]
		}
		if v := o.loss.values; len(v) > 0 {
			l = losing(l, v[i%len(v)]/100)
		}
		all[i] = l
	}
	return all
}

// once leaves out settings that have become alike.
func once(f family, settings []setting) []setting {
	seen := make(map[string]bool)
	var all []setting
	for _, c := range settings {
		if t := f.title(c); !seen[t] {
			seen[t] = true
			all = append(all, c)
		}
	}
	return all
}
