package resources

import (
	"sync/atomic"

	corenet "github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/prometheus/client_golang/prometheus"
)

// what is refused.
type what int

const (
	connection what = iota
	stream
	memory
	whats
)

// reason is whose limit was reached.
type reason int

const (
	ofNode reason = iota
	ofAddress
	ofPeer
	ofProtocol
	ofProtocolAndPeer
	ofAny // libp2p does not say whose
	reasons
)

var (
	whatNames   = [whats]string{"connection", "stream", "memory"}
	reasonNames = [reasons]string{"node", "address", "peer", "protocol", "protocol_and_peer", "any"}

	// possible are the reasons that there are for each.
	possible = [whats][]reason{
		connection: {ofNode, ofAddress, ofPeer},
		stream:     {ofNode, ofPeer, ofProtocol, ofProtocolAndPeer},
		memory:     {ofAny},
	}
)

// refused counts what was refused. It is what libp2p tells; services count with
// protocols, of which each of libp2p's own has one.
type refused struct {
	n [whats][reasons]atomic.Uint64
}

func (r *refused) count(w what, why reason) { r.n[w][why].Add(1) }

// BlockConn implements [rcmgr.MetricsReporter], as do the others.
func (r *refused) BlockConn(corenet.Direction, bool)      { r.count(connection, ofNode) }
func (r *refused) BlockPeer(peer.ID)                      { r.count(connection, ofPeer) }
func (r *refused) BlockProtocol(protocol.ID)              { r.count(stream, ofProtocol) }
func (r *refused) BlockProtocolPeer(protocol.ID, peer.ID) { r.count(stream, ofProtocolAndPeer) }
func (r *refused) BlockService(string)                    { r.count(stream, ofProtocol) }
func (r *refused) BlockServicePeer(string, peer.ID)       { r.count(stream, ofProtocolAndPeer) }
func (r *refused) BlockMemory(int)                        { r.count(memory, ofAny) }
func (r *refused) BlockStream(peer.ID, corenet.Direction) {} // OpenStream knows more.
func (r *refused) AllowConn(corenet.Direction, bool)      {}
func (r *refused) AllowStream(peer.ID, corenet.Direction) {}
func (r *refused) AllowPeer(peer.ID)                      {}
func (r *refused) AllowProtocol(protocol.ID)              {}
func (r *refused) AllowService(string)                    {}
func (r *refused) AllowMemory(int)                        {}

var (
	refusedDesc = prometheus.NewDesc("souk_libp2p_refused_total", "What was refused below the exchange, by whose limit was reached: of the node, of all behind one address, of one peer, of a protocol, of a protocol with one peer, any of these.", []string{"what", "reason"}, nil)
	connsDesc   = prometheus.NewDesc("souk_libp2p_connections", "Connections, by who opened them.", []string{"opener"}, nil)
	streamsDesc = prometheus.NewDesc("souk_libp2p_streams", "Streams of all protocols, by who opened them.", []string{"opener"}, nil)
	memoryDesc  = prometheus.NewDesc("souk_libp2p_memory_bytes", "Bytes that libp2p has set aside for windows of streams.", nil, nil)
	highDesc    = prometheus.NewDesc("souk_libp2p_connections_high", "From how many connections on those are closed that are worth least.", nil, nil)
)

// Describe implements [prometheus.Collector].
func (m *Manager) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{refusedDesc, connsDesc, streamsDesc, memoryDesc, highDesc} {
		out <- d
	}
}

// Collect implements [prometheus.Collector].
func (m *Manager) Collect(out chan<- prometheus.Metric) {
	for w, why := range possible {
		for _, r := range why {
			n := m.refused.n[w][r].Load()
			out <- prometheus.MustNewConstMetric(refusedDesc, prometheus.CounterValue, float64(n), whatNames[w], reasonNames[r])
		}
	}
	gauge := func(d *prometheus.Desc, n int, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(n), labels...)
	}
	_ = m.ViewSystem(func(s corenet.ResourceScope) error {
		stat := s.Stat()
		gauge(connsDesc, stat.NumConnsInbound, "peer")
		gauge(connsDesc, stat.NumConnsOutbound, "self")
		gauge(streamsDesc, stat.NumStreamsInbound, "peer")
		gauge(streamsDesc, stat.NumStreamsOutbound, "self")
		gauge(memoryDesc, int(stat.Memory))
		return nil
	})
	gauge(highDesc, m.budget.High)
}
