package main

import (
	"fmt"
	"runtime"
	"slices"

	"github.com/souk-p2p/souk/test/internal/figure"
	"github.com/souk-p2p/souk/test/internal/section"
)

// target is what make calls this command.
const target = "bench"

// publish puts the tables into the documents that were named.
func (o options) publish(rows []figure.Row) error {
	if o.write != "" {
		for _, s := range suites {
			of := slices.DeleteFunc(slices.Clone(rows), func(r figure.Row) bool { return r.Suite != s.name })
			if len(of) == 0 {
				continue
			}
			if err := section.Replace(o.write, s.name, target, machine(o.runs)+"\n"+markdown(of)); err != nil {
				return err
			}
		}
	}
	if o.summary != "" {
		return section.Replace(o.summary, target, target, summary(rows))
	}
	return nil
}

// machine says where the figures are from.
func machine(runs int) string {
	return fmt.Sprintf("Median of %d on %d cores, %s, %s/%s.\n", runs, runtime.NumCPU(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
