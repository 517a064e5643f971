package souk

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/souk-p2p/souk/message"
	"github.com/souk-p2p/souk/network"
)

// WithKuboMetrics registers what Kubo tells of Bitswap, too, under Kubo's names and
// with its types and buckets, so that dashboards made for Kubo show this node. Those
// that mean nothing here are left out; docs/metrics.md lists both. Without
// [WithRegisterer] it does nothing.
func WithKuboMetrics() Option { return func(o *options) { o.kuboMetrics = true } }

// kuboMetrics are the metrics that Kubo 0.43 has of Bitswap. Nil where nobody wants
// them: then nothing is observed.
type kuboMetrics struct {
	x *Exchange

	received, dup, sent, responses prometheus.Histogram // sizes, in bytes
	sendTimes, wantlistTimes       prometheus.Histogram // in seconds
	wantlists, entries             prometheus.Counter
	haves                          prometheus.Gauge
}

// The buckets are boxo's: what is asked of them must not change with the node.
var (
	kuboBlockBuckets    = []float64{1 << 6, 1 << 10, 1 << 14, 1 << 18, 1<<18 + 15, 1 << 22}
	kuboSendBuckets     = []float64{1, 10, 30, 60, 90, 120, 600}
	kuboResponseBuckets = []float64{1, 128 << 10, 256 << 10, 512 << 10, 1024 << 10, 2048 << 10, 4092 << 10}
	kuboTimeBuckets     = []float64{0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 120, 240, 480, 960, 1920}
)

// newKuboMetrics returns nil unless the options ask for them.
func newKuboMetrics(x *Exchange) *kuboMetrics {
	if x.opts.registerer == nil || !x.opts.kuboMetrics {
		return nil
	}
	return &kuboMetrics{
		x:             x,
		received:      kuboHistogram("ipfs_bitswap_recv_all_blocks_bytes", "Sizes of the blocks that came from peers, duplicates included.", kuboBlockBuckets),
		dup:           kuboHistogram("ipfs_bitswap_recv_dup_blocks_bytes", "Sizes of the blocks that came and that nobody here waited for any more.", kuboBlockBuckets),
		sent:          kuboHistogram("ipfs_bitswap_sent_all_blocks_bytes", "Sizes of the messages that answered peers: their blocks and presences.", kuboBlockBuckets),
		sendTimes:     kuboHistogram("ipfs_bitswap_send_times", "How long it took to write such a message, in seconds.", kuboSendBuckets),
		responses:     kuboHistogram("exchange_bitswap_response_bytes", "Sizes of the messages of peers.", kuboResponseBuckets),
		wantlistTimes: kuboHistogram("exchange_bitswap_wantlists_seconds", "How long it took to write a message with wants or cancels.", kuboTimeBuckets),
		wantlists: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "exchange_bitswap_wantlists_total", Help: "Messages with wants or cancels that were sent.",
		}),
		entries: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "exchange_bitswap_wantlists_items_total", Help: "Wants and cancels in those.",
		}),
		haves: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "ipfs_bitswap_haves_received", Help: "HAVEs that came from peers, since the start.",
		}),
	}
}

func kuboHistogram(name, says string, buckets []float64) prometheus.Histogram {
	return prometheus.NewHistogram(prometheus.HistogramOpts{Name: name, Help: says, Buckets: buckets})
}

var (
	kuboPendingDesc  = prometheus.NewDesc("ipfs_bitswap_pending_tasks", "Answers to peers that wait to be sent: blocks and presences.", nil, nil)
	kuboActiveDesc   = prometheus.NewDesc("ipfs_bitswap_active_tasks", "Answers to peers that are being read or sent.", nil, nil)
	kuboLookUpsDesc  = prometheus.NewDesc("ipfs_bitswap_pending_block_tasks", "Wants of peers that wait to be looked up in the store.", nil, nil)
	kuboCallsDesc    = prometheus.NewDesc("ipfs_bitswap_active_block_tasks", "Look-ups and reads of the store for peers that are under way.", nil, nil)
	kuboBlocksDesc   = prometheus.NewDesc("ipfs_bitswap_blocks_received", "Blocks that came from peers, duplicates included, since the start.", nil, nil)
	kuboWantedDesc   = prometheus.NewDesc("ipfs_bitswap_wantlist_total", "CIDs that calls here wait for.", nil, nil)
	kuboAskedDesc    = prometheus.NewDesc("ipfs_bitswap_want_blocks_total", "Blocks that peers were asked for and have not answered.", nil, nil)
	kuboRequestsDesc = prometheus.NewDesc("exchange_bitswap_requests_in_flight", "Streams of peers that are read, and messages that are being written.", nil, nil)

	kuboDescs = []*prometheus.Desc{
		kuboPendingDesc, kuboActiveDesc, kuboLookUpsDesc, kuboCallsDesc, kuboBlocksDesc, kuboWantedDesc, kuboAskedDesc, kuboRequestsDesc,
	}
)

// kept are the metrics that what passes is counted in.
func (k *kuboMetrics) kept() []prometheus.Collector {
	return []prometheus.Collector{
		k.received, k.dup, k.sent, k.responses, k.sendTimes, k.wantlistTimes, k.wantlists, k.entries, k.haves,
	}
}

// Describe implements [prometheus.Collector].
func (k *kuboMetrics) Describe(out chan<- *prometheus.Desc) {
	for _, d := range kuboDescs {
		out <- d
	}
	for _, c := range k.kept() {
		c.Describe(out)
	}
}

// Collect implements [prometheus.Collector].
func (k *kuboMetrics) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), metricsPatience)
	defer cancel()
	for _, c := range k.kept() {
		c.Collect(out)
	}
	e, n, b := k.x.engine.Stat(), k.x.network.Stat(), k.x.blocks.Stat()
	gauge(out, kuboPendingDesc, e.Unanswered)
	gauge(out, kuboActiveDesc, e.Answering)
	gauge(out, kuboLookUpsDesc, e.LookUps)
	gauge(out, kuboCallsDesc, e.StoreCalls)
	gauge(out, kuboBlocksDesc, float64(b.BlocksReceived)) // What Kubo calls a gauge only grows.
	gauge(out, kuboRequestsDesc, n.Streams+n.Writing)
	if wanted, err := k.x.blocks.Wanted(ctx); err == nil {
		gauge(out, kuboWantedDesc, wanted)
	}
	if t, err := k.x.wants.Totals(ctx); err == nil {
		gauge(out, kuboAskedDesc, t.Blocks)
	}
}

// observer is what the network tells of messages, or nil.
func (k *kuboMetrics) observer() network.Observer {
	if k == nil {
		return nil
	}
	return k
}

// came returns what is told of blocks, or nil.
func (k *kuboMetrics) came() func(bytes uint64, dup bool) {
	if k == nil {
		return nil
	}
	return func(bytes uint64, dup bool) {
		k.received.Observe(float64(bytes))
		if dup {
			k.dup.Observe(float64(bytes))
		}
	}
}

// Received implements [network.Observer].
func (k *kuboMetrics) Received(bytes, haves int) {
	k.responses.Observe(float64(bytes))
	k.haves.Add(float64(haves))
}

// Sent implements [network.Observer].
func (k *kuboMetrics) Sent(lane network.Lane, m *message.Message, took time.Duration) {
	if lane == network.LaneWants {
		k.wantlists.Inc()
		k.entries.Add(float64(len(m.Wantlist)))
		k.wantlistTimes.Observe(took.Seconds())
		return
	}
	k.sent.Observe(float64(answerBytes(m)))
	k.sendTimes.Observe(took.Seconds())
}

// presenceHead is what a presence takes on the wire beside its CID: boxo counts that,
// and of a block nothing but its bytes.
const presenceHead = 2

func answerBytes(m *message.Message) (bytes int) {
	for _, b := range m.Blocks {
		bytes += len(b.RawData())
	}
	for _, p := range m.Presences {
		bytes += p.CID.ByteLen() + presenceHead
	}
	return bytes
}
