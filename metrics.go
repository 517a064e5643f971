package souk

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/souk-p2p/souk/engine"
	"github.com/souk-p2p/souk/internal/actor"
)

// metrics gives the counters and the load of the actors to Prometheus. Nothing
// is labelled with a peer or a CID: the ledgers have those.
type metrics struct{ x *Exchange }

var (
	blocksDesc   = desc("blocks_total", "Blocks by direction: received, duplicate or sent.", "direction")
	bytesDesc    = desc("block_bytes_total", "Bytes of blocks by direction: received, duplicate or sent.", "direction")
	messagesDesc = desc("messages_total", "Bitswap messages by direction: received or sent.", "direction")
	faultsDesc   = desc("faults_total", "What peers did wrong, by reason.", "reason")
	refusedDesc  = desc("refused_total", "What was refused: peers for a while, peers of a crowd behind one address, streams, wants.", "what")
	deniedDesc   = desc("engine_refused_total", "Wants of peers that were refused, by reason: bound_size, bound_overflow, unusable_cid, access_hook, and access_ with what the rule is about or is called.", "reason")
	peersDesc    = desc("peers", "Peers of which an actor keeps something.", "actor")
	streamsDesc  = desc("inbound_streams", "Streams of peers that are read.")
	memoryDesc   = desc("held_bytes", "Bytes held for peers: being received, being sent, or of their wants.", "what")
	busyDesc     = desc("actor_busy_seconds_total", "Time an actor spent at work: its rate is the actor's saturation.", "actor")
	depthDesc    = desc("actor_inbox_depth", "Requests that wait for an actor.", "actor")
	panicsDesc   = desc("panics_total", "Panics recovered, by the actor or what works for it. Each is a bug, here or in the host, store or hook of the embedder.", "actor")
)

func desc(name, says string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("souk_"+name, says, labels, nil)
}

func (m metrics) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		blocksDesc, bytesDesc, messagesDesc, faultsDesc, refusedDesc, deniedDesc, peersDesc, streamsDesc, memoryDesc, busyDesc, depthDesc, panicsDesc,
	} {
		out <- d
	}
	m.describeDiscovery(out)
}

func (m metrics) Collect(out chan<- prometheus.Metric) {
	m.collectTraffic(out)
	m.collectFaults(out)
	m.collectPeers(out)
	m.collectDiscovery(out)
	for where, n := range m.x.panics.counts() {
		count(out, panicsDesc, n, where)
	}
	for name, a := range m.x.actors() {
		count(out, busyDesc, a.Busy().Seconds(), name)
		gauge(out, depthDesc, a.Depth(), name)
	}
}

func (m metrics) collectTraffic(out chan<- prometheus.Metric) {
	s := m.x.Stat()
	count(out, blocksDesc, s.BlocksReceived, "received")
	count(out, blocksDesc, s.DupBlksReceived, "duplicate")
	count(out, blocksDesc, s.BlocksSent, "sent")
	count(out, bytesDesc, s.DataReceived, "received")
	count(out, bytesDesc, s.DupDataReceived, "duplicate")
	count(out, bytesDesc, s.DataSent, "sent")
	count(out, messagesDesc, s.MessagesReceived, "received")
	count(out, messagesDesc, s.MessagesSent, "sent")
}

func (m metrics) collectFaults(out chan<- prometheus.Metric) {
	faults := m.x.ledger.Faults(context.Background())
	for f, n := range faults.All() {
		count(out, faultsDesc, n, f.String())
	}
	e, n := m.x.engine.Stat(), m.x.network.Stat()
	count(out, refusedDesc, n.Refusals, "peer")
	count(out, refusedDesc, n.TurnedAway, "crowd")
	count(out, refusedDesc, n.StreamsRefused, "stream")
	m.collectRefused(out, e)
	count(out, refusedDesc, e.RefusedAccess+e.RefusedSize+e.RefusedOverflow+e.RefusedCID, "want")
}

// collectRefused counts by reason what the engine did not take or serve. The rules of
// access have words of their own, at most mostReasons.
func (m metrics) collectRefused(out chan<- prometheus.Metric, e engine.Stat) {
	count(out, deniedDesc, e.RefusedSize, "bound_size")
	count(out, deniedDesc, e.RefusedOverflow, "bound_overflow")
	count(out, deniedDesc, e.RefusedCID, "unusable_cid")
	for reason, n := range m.x.policy.counts() {
		count(out, deniedDesc, n, "access_"+reason)
	}
}

func (m metrics) collectPeers(out chan<- prometheus.Metric) {
	e, n := m.x.engine.Stat(), m.x.network.Stat()
	gauge(out, memoryDesc, int(n.Receiving), "receiving")
	gauge(out, memoryDesc, e.InFlightBytes, "sending")
	gauge(out, memoryDesc, e.TableBytes, "wants")
	gauge(out, streamsDesc, n.Streams)
	gauge(out, peersDesc, n.Peers, "network")
	gauge(out, peersDesc, e.Partners, "engine")
	gauge(out, peersDesc, m.x.peers.Count(context.Background()), "peerrouter")
	gauge(out, peersDesc, m.x.wants.Count(context.Background()), "wantmanager")
}

func count[N uint64 | float64](out chan<- prometheus.Metric, d *prometheus.Desc, n N, label string) {
	out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), label)
}

func gauge(out chan<- prometheus.Metric, d *prometheus.Desc, n int, labels ...string) {
	out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(n), labels...)
}

// load is what an actor tells of how busy it is.
type load interface {
	Busy() time.Duration
	Turn(now time.Time) time.Duration
	Depth() int
	Load(now time.Time) actor.Load
}

func (x *Exchange) actors() map[string]load {
	all := map[string]load{
		"blockrouter": x.blocks, "peerrouter": x.peers, "wantmanager": x.wants,
		"engine": x.engine, "ledger": x.ledger, "providers": x.providers, "announcer": x.announcer,
	}
	if x.tracker != nil {
		all["tracker"] = x.tracker
	}
	return all
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
