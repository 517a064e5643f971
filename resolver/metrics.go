package resolver

import (
	"context"
	"time"

	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/souk-p2p/souk/resolver/server"
)

// meter gives what a resolver is at and has done to Prometheus. Nothing is labelled with
// a peer or a key; every metric has the protocol, so that several resolvers share a
// registerer.
type meter struct {
	stat  func(context.Context) (Stat, error)
	descs map[string]*prometheus.Desc

	fetched, answered prometheus.Histogram
}

// meterPatience is a tenth of the least that Prometheus waits for an answer by default.
const meterPatience = time.Second

// durations are the buckets of the histograms: from a value next door to one that nobody
// had for a while, in seconds.
var durations = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}

const (
	// Native buckets are finer: each is a tenth wider than the one before. 160 are enough
	// for six decades, and when there are more the resolution is halved.
	nativeFactor = 1.1
	nativeMost   = 160
)

// What is told, by the name behind "souk_resolver_", with its label if it has one.
var told = []struct{ name, help, label string }{
	{"pending", "Fetches that go on.", ""},
	{"active", "Fetches with a request that is not answered.", ""},
	{"serving", "Requests of others that wait or are being answered.", ""},
	{"blocked", "Peers that are not asked for what they sent.", ""},
	{"peers", "Peers that may be asked.", ""},
	{"undelivered_bytes", "Bytes of values that were asked for, are under way or with the Consumer.", ""},
	{"fetches_total", "Orders and what became of fetches: begun, duplicate, completed, overdue, exhausted.", "status"},
	{"cancels_total", "Fetches that were cancelled.", ""},
	{"requests_created_total", "Requests for peers: first ones, hedges, and those for further parts.", "kind"},
	{"requests_sent_total", "What became of requests.", "status"},
	{"faults_total", "What peers sent that was wrong.", "fault"},
	{"unjudged_total", "Values at which the Consumer panicked.", ""},
	{"serve_total", "Requests of others, by what became of them.", "status"},
}

func newMeter(id protocol.ID, stat func(context.Context) (Stat, error)) *meter {
	labels := prometheus.Labels{"protocol": string(id)}
	m := &meter{stat: stat, descs: make(map[string]*prometheus.Desc)}
	for _, t := range told {
		var label []string
		if t.label != "" {
			label = []string{t.label}
		}
		m.descs[t.name] = prometheus.NewDesc("souk_resolver_"+t.name, t.help, label, labels)
	}
	m.fetched = lasting("fetch_seconds", "How long fetches took whose value has come.", labels)
	m.answered = lasting("serve_seconds", "How long requests of others took.", labels)
	return m
}

func lasting(name, help string, labels prometheus.Labels) prometheus.Histogram {
	return prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "souk_resolver_" + name, Help: help, Buckets: durations, ConstLabels: labels,
		NativeHistogramBucketFactor: nativeFactor, NativeHistogramMaxBucketNumber: nativeMost,
	})
}

// ended notes the end of a fetch.
func (m *meter) ended(e ending) {
	if e.why == nil {
		m.fetched.Observe(e.took.Seconds())
	}
}

// served notes the end of a request of others.
func (m *meter) served(_ server.Outcome, took time.Duration) { m.answered.Observe(took.Seconds()) }

func (m *meter) register(at prometheus.Registerer) error {
	if at == nil {
		return nil
	}
	return at.Register(m)
}

func (m *meter) unregister(at prometheus.Registerer) {
	if at != nil {
		at.Unregister(m)
	}
}

// Describe implements [prometheus.Collector].
func (m *meter) Describe(out chan<- *prometheus.Desc) {
	for _, t := range told {
		out <- m.descs[t.name]
	}
	m.fetched.Describe(out)
	m.answered.Describe(out)
}

// Collect implements [prometheus.Collector]. A resolver that does not answer in time
// tells of durations alone.
func (m *meter) Collect(out chan<- prometheus.Metric) {
	m.fetched.Collect(out)
	m.answered.Collect(out)
	ctx, cancel := context.WithTimeout(context.Background(), meterPatience)
	defer cancel()
	stat, err := m.stat(ctx)
	if err != nil {
		return
	}
	m.gauges(out, &stat)
	m.counts(out, &stat.Counts)
	if stat.Serving != nil {
		m.gauge(out, "serving", float64(stat.Serving.Serving()))
		for o, n := range stat.Serving.Outcomes {
			m.count(out, "serve_total", n, server.Outcome(o).String())
		}
	}
}

func (m *meter) gauges(out chan<- prometheus.Metric, s *Stat) {
	m.gauge(out, "pending", float64(s.Pending))
	m.gauge(out, "active", float64(s.Active))
	m.gauge(out, "blocked", float64(s.Blocked))
	m.gauge(out, "peers", float64(s.Peers))
	m.gauge(out, "undelivered_bytes", float64(s.Undelivered))
}

func (m *meter) counts(out chan<- prometheus.Metric, c *Counts) {
	m.count(out, "cancels_total", c.Cancels)
	m.count(out, "unjudged_total", c.Unjudged)
	for _, of := range []struct {
		name, label string
		n           uint64
	}{
		{"fetches_total", "begun", c.Fetches}, {"fetches_total", "duplicate", c.Duplicates}, {"fetches_total", "completed", c.Completed},
		{"fetches_total", "overdue", c.Overdue}, {"fetches_total", "exhausted", c.Exhausted},
		{"requests_created_total", "first", c.Asked - c.Hedges - c.Parts}, {"requests_created_total", "hedge", c.Hedges},
		{"requests_created_total", "part", c.Parts},
		{"requests_sent_total", "data", c.Answers}, {"requests_sent_total", "none", c.None}, {"requests_sent_total", "refused", c.Refused},
		{"requests_sent_total", "busy", c.Busy}, {"requests_sent_total", "changed", c.Changed}, {"requests_sent_total", "timeout", c.Timeouts},
		{"requests_sent_total", "unsent", c.Unsent}, {"requests_sent_total", "parted", c.Parted},
		{"faults_total", "invalid", c.Invalid}, {"faults_total", "unasked", c.Strays}, {"faults_total", "malformed", c.Malformed},
	} {
		m.count(out, of.name, of.n, of.label)
	}
}

func (m *meter) gauge(out chan<- prometheus.Metric, name string, v float64) {
	out <- prometheus.MustNewConstMetric(m.descs[name], prometheus.GaugeValue, v)
}

func (m *meter) count(out chan<- prometheus.Metric, name string, n uint64, labels ...string) {
	out <- prometheus.MustNewConstMetric(m.descs[name], prometheus.CounterValue, float64(n), labels...)
}
