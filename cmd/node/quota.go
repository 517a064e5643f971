package main

import (
	"context"
	"errors"
	"math"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/souk-p2p/souk/blockstore"
	"github.com/souk-p2p/souk/cmd/node/internal/node"
)

// storageOptions say how much a node may store.
type storageOptions struct {
	max, high, gc string
}

// What --gc takes.
const (
	gcAuto = "auto"
	gcOff  = "off"
)

func (o *storageOptions) flags(f *pflag.FlagSet) {
	f.StringVar(&o.max, "storage-max", "0", "store at most this much, as 50GiB or 500MB; 0 is no limit")
	f.StringVar(&o.high, "storage-high", "90%", "collect garbage from this part of --storage-max on")
	f.StringVar(&o.gc, "gc", gcAuto, "collect garbage at --storage-high: auto or off")
}

func (o *storageOptions) configure(cfg *node.Config) error {
	_, wrongMax := parseSize("--storage-max", o.max)
	_, wrongHigh := parsePercent("--storage-high", o.high)
	var wrongGC error
	if o.gc != gcAuto && o.gc != gcOff {
		wrongGC = usagef("--gc %q is neither auto nor off", o.gc)
	}
	cfg.CollectGarbage = o.gc == gcAuto
	return errors.Join(wrongMax, wrongHigh, wrongGC)
}

// quota is that of options that are right.
func (o *storageOptions) quota() blockstore.Quota {
	most, _ := parseSize("--storage-max", o.max)
	percent, _ := parsePercent("--storage-high", o.high)
	return blockstore.Quota{Max: most, High: int64(float64(most) / 100 * float64(percent))}
}

func applyQuota(r *running, p *plan) error {
	return r.node.Blocks.SetQuota(context.Background(), p.options.quota())
}

// sizeUnits are what a size may end in, the longer before those that they end in.
var sizeUnits = []struct {
	name  string
	bytes float64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
	{"kB", 1e3}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12},
	{"B", 1}, {"", 1},
}

// parseSize reads a number of bytes with a unit.
func parseSize(field, text string) (int64, error) {
	for _, unit := range sizeUnits {
		digits, ok := strings.CutSuffix(text, unit.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseFloat(strings.TrimSpace(digits), 64)
		if err != nil || n < 0 || n*unit.bytes > math.MaxInt64/2 || n != n {
			break
		}
		return int64(n * unit.bytes), nil
	}
	return 0, usagef("%s %q is not a size as 50GiB, 500MB or 1000000", field, text)
}

// parsePercent reads a part of a hundred.
func parsePercent(field, text string) (int, error) {
	n, err := strconv.Atoi(strings.TrimSuffix(text, "%"))
	if err != nil || n < 1 || n > 100 {
		return 0, usagef("%s %q is not from 1%% to 100%%", field, text)
	}
	return n, nil
}
