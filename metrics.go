package souk

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics gives the counters and the load of the actors to Prometheus. Nothing
// is labelled with a peer or a CID: the ledgers have those. What an actor has to be
// asked for is left out when it does not answer within metricsPatience, so that a
// node of which a part hangs is still seen.
type metrics struct{ x *Exchange }

// metricsPatience is a tenth of the least that Prometheus waits for an answer by
// default, which is 10 s.
const metricsPatience = time.Second

func desc(name, says string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("souk_"+name, says, labels, nil)
}

// Describe implements [prometheus.Collector].
func (m metrics) Describe(out chan<- *prometheus.Desc) {
	for _, all := range [][]*prometheus.Desc{trafficDescs, peersDescs, actorDescs, discoveryDescs} {
		for _, d := range all {
			out <- d
		}
	}
	m.x.fetches.Describe(out)
	if m.x.tracker == nil {
		return
	}
	for _, d := range trackerDescs {
		out <- d
	}
}

// Collect implements [prometheus.Collector].
func (m metrics) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), metricsPatience)
	defer cancel()
	m.collectTraffic(out)
	m.collectRefused(out)
	m.collectHeld(out)
	m.collectActors(out)
	m.collectSessions(out)
	m.collectDiscovery(out)
	m.x.fetches.Collect(out)
	m.collectFaults(ctx, out)
	m.collectPeers(ctx, out)
	if m.x.tracker != nil {
		m.collectOwnTracker(ctx, out)
	}
}

func count[N uint64 | float64](out chan<- prometheus.Metric, d *prometheus.Desc, n N, labels ...string) {
	out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
}

func gauge[N int | float64](out chan<- prometheus.Metric, d *prometheus.Desc, n N, labels ...string) {
	out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(n), labels...)
}

func (x *Exchange) register() error {
	if x.opts.registerer == nil {
		return nil
	}
	if err := x.opts.registerer.Register(metrics{x}); err != nil || x.kubo == nil {
		return err
	}
	if err := x.opts.registerer.Register(x.kubo); err != nil {
		x.opts.registerer.Unregister(metrics{x})
		return fmt.Errorf("metrics with Kubo's names: %w", err)
	}
	return nil
}

func (x *Exchange) unregister(context.Context) error {
	if x.opts.registerer != nil {
		x.opts.registerer.Unregister(metrics{x})
	}
	if x.kubo != nil {
		x.opts.registerer.Unregister(x.kubo)
	}
	return nil
}
