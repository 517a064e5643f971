package souk

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics gives the counters and the load of the actors to Prometheus. Nothing
// is labelled with a peer or a CID: the ledgers have those.
type metrics struct{ x *Exchange }

var (
	blocksDesc   = prometheus.NewDesc("souk_blocks_total", "Blocks by direction: received, duplicate or sent.", []string{"direction"}, nil)
	bytesDesc    = prometheus.NewDesc("souk_block_bytes_total", "Bytes of blocks by direction: received, duplicate or sent.", []string{"direction"}, nil)
	messagesDesc = prometheus.NewDesc("souk_messages_total", "Bitswap messages by direction: received or sent.", []string{"direction"}, nil)
	busyDesc     = prometheus.NewDesc("souk_actor_busy_seconds_total", "Time an actor spent at work: its rate is the actor's saturation.", []string{"actor"}, nil)
	panicsDesc   = prometheus.NewDesc("souk_panics_total", "Panics recovered, by the actor or what works for it. Each is a bug, here or in the host, store or hook of the embedder.", []string{"actor"}, nil)
	depthDesc    = prometheus.NewDesc("souk_actor_inbox_depth", "Requests that wait for an actor.", []string{"actor"}, nil)
)

func (m metrics) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{blocksDesc, bytesDesc, messagesDesc, busyDesc, depthDesc, panicsDesc} {
		out <- d
	}
}

func (m metrics) Collect(out chan<- prometheus.Metric) {
	s := m.x.Stat()
	count := func(d *prometheus.Desc, n uint64, label string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), label)
	}
	count(blocksDesc, s.BlocksReceived, "received")
	count(blocksDesc, s.DupBlksReceived, "duplicate")
	count(blocksDesc, s.BlocksSent, "sent")
	count(bytesDesc, s.DataReceived, "received")
	count(bytesDesc, s.DupDataReceived, "duplicate")
	count(bytesDesc, s.DataSent, "sent")
	count(messagesDesc, s.MessagesReceived, "received")
	count(messagesDesc, s.MessagesSent, "sent")
	for where, n := range m.x.panics.counts() {
		count(panicsDesc, n, where)
	}
	for name, a := range m.x.actors() {
		out <- prometheus.MustNewConstMetric(busyDesc, prometheus.CounterValue, a.Busy().Seconds(), name)
		out <- prometheus.MustNewConstMetric(depthDesc, prometheus.GaugeValue, float64(a.Depth()), name)
	}
}

// load is what an actor tells of how busy it is.
type load interface {
	Busy() time.Duration
	Depth() int
}

func (x *Exchange) actors() map[string]load {
	return map[string]load{
		"blockrouter": x.blocks, "peerrouter": x.peers, "wantmanager": x.wants,
		"engine": x.engine, "ledger": x.ledger, "providers": x.providers,
	}
}

func (x *Exchange) register() error {
	if x.opts.registerer == nil {
		return nil
	}
	return x.opts.registerer.Register(metrics{x})
}

func (x *Exchange) unregister(context.Context) error {
	if x.opts.registerer != nil {
		x.opts.registerer.Unregister(metrics{x})
	}
	return nil
}
