// Command get measures `souk get` from end to end: a file goes from a process that
// serves it to one that fetches it over the loopback interface, stores its blocks
// and writes it out, with the repositories on the disk. The same file is fetched
// in the same run
//
//   - by bare libp2p streams, which hash what comes and write it to a file, and
//     keep nothing else: the limit that the transport sets;
//   - by boxo's Bitswap over the same kind of store, driven by the same code for
//     files;
//   - and in pieces: written to the disk and synced, imported into a repository.
//
// Everything is in processes of its own, so that CPU time is counted for each.
package main

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"strings"

	"github.com/souk-p2p/souk/test/internal/program"
)

func main() { program.Main("get", command) }

// command is the benchmark, or one of the processes that it starts.
func command(ctx context.Context, args []string) error {
	if len(args) > 0 && args[0] == childArg {
		return child(ctx, args[1:])
	}
	o, err := parse(args)
	if err != nil {
		return err
	}
	return run(ctx, o)
}

type options struct {
	size       int64 // bytes of the file
	runs       int
	transports []string
	makes      []string
	dir        string
}

func parse(args []string) (o options, err error) {
	f := flag.NewFlagSet("get", flag.ContinueOnError)
	size := f.Float64("size", 512, "`MiB` of the file")
	f.IntVar(&o.runs, "runs", 3, "how often everything is measured; the median counts")
	transports := f.String("transports", "tcp,quic", "of "+strings.Join(names(listen), ", "))
	made := f.String("makes", "bare,souk,boxo", "of "+strings.Join(names(makes), ", "))
	f.StringVar(&o.dir, "dir", "", "where the file and the repositories are, about six times its size (default: the directory for temporary files)")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	o.size = int64(*size * (1 << 20))
	if o.size < 1 || o.runs < 1 {
		return o, fmt.Errorf("-size and -runs have to be positive")
	}
	if o.transports, err = choose(*transports, listen); err != nil {
		return o, fmt.Errorf("-transports: %w", err)
	}
	if o.makes, err = choose(*made, makes); err != nil {
		return o, fmt.Errorf("-makes: %w", err)
	}
	return o, nil
}

// choose splits a list and finds each of its words among those that there are.
func choose[T any](list string, of map[string]T) ([]string, error) {
	words := strings.Split(list, ",")
	for _, w := range words {
		if _, ok := of[w]; !ok {
			return nil, fmt.Errorf("%q is none of %s", w, strings.Join(names(of), ", "))
		}
	}
	return words, nil
}

func names[T any](of map[string]T) []string {
	var all []string
	for name := range of {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}
