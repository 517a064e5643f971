package souk

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// fetchTimes are how long blocks take to come from peers. They are kept here and not
// in the sessions, which end: each session reports what it sees, and observing takes
// no lock.
type fetchTimes struct{ first, each prometheus.Histogram }

// fetchBuckets reach from a block of a peer next door to one that came when its
// peer was found, in steps of a half to a factor of three, in seconds.
var fetchBuckets = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}

const (
	// Native buckets are finer: each is a tenth wider than the one before. 160 are
	// enough for six decades, and when there are more the resolution is halved.
	nativeFactor = 1.1
	nativeMost   = 160
)

func newFetchTimes() *fetchTimes {
	return &fetchTimes{
		first: times("fetch_first_block_seconds", "How long the first block of a call took to come from a peer, since its want: finding and dialling somebody included."),
		each:  times("fetch_block_seconds", "How long each block took to come from a peer, since its want. Those of a call that waited for room are longer."),
	}
}

func times(name, says string) prometheus.Histogram {
	return prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "souk_" + name, Help: says, Buckets: fetchBuckets,
		NativeHistogramBucketFactor: nativeFactor, NativeHistogramMaxBucketNumber: nativeMost,
	})
}

// observer returns what sessions tell, or nil where nobody gathers it.
func (f *fetchTimes) observer() func(took time.Duration, first bool) {
	if f == nil {
		return nil
	}
	return func(took time.Duration, first bool) {
		f.each.Observe(took.Seconds())
		if first {
			f.first.Observe(took.Seconds())
		}
	}
}

// Describe implements [prometheus.Collector].
func (f *fetchTimes) Describe(out chan<- *prometheus.Desc) {
	f.first.Describe(out)
	f.each.Describe(out)
}

// Collect implements [prometheus.Collector].
func (f *fetchTimes) Collect(out chan<- prometheus.Metric) {
	f.first.Collect(out)
	f.each.Collect(out)
}
