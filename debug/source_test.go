package debug

import (
	"context"
	"slices"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multihash"

	"github.com/souk-p2p/souk/ledger"
)

// source is a node at one moment.
type source struct {
	ledgers  []ledger.Receipt
	tracker  *Tracker // nil when it is none
	agents   map[peer.ID]string
	rates    map[peer.ID]Rate
	history  []Sample
	wants    []Want
	sessions []SessionDetail
	actors   []Actor
	store    Store
	broken   error // of the store
	trackers []TrackerState
	refused  map[string]uint64
}

// config has every topic.
func (s *source) config() Config {
	return Config{
		Source: s, Tracker: s, Peers: s, Rates: s, Wants: s, Sessions: s, Actors: s, Store: s, Trackers: s, Refusals: s,
		Version: "souk 1.2.3", Now: func() time.Time { return noon },
	}
}

// node has three peers, one of which is connected.
func node() *source {
	return &source{ledgers: []ledger.Receipt{
		{
			Peer:     id("a"),
			Counters: ledger.Counters{BytesReceived: 1 << 20, BlocksReceived: 4, WantsSent: 4, WantsReceived: 1, Duplicates: 9},
			Value:    0.25, Latency: 40 * time.Millisecond, Throughput: 12.5 * (1 << 20), Score: 0.9,
			LastExchange: noon.Add(-time.Hour), Connected: true,
		},
		{
			Peer:     id("b"),
			Counters: ledger.Counters{BytesReceived: 2 << 20, BlocksReceived: 5000, BytesSent: 1 << 20, BlocksSent: 3, WantsSent: 5},
			Value:    0.5, Latency: 50 * time.Millisecond, Throughput: 100, Score: 0.6,
			LastExchange: noon.Add(-30 * time.Second),
		},
		{
			Peer:     id("c"),
			Counters: ledger.Counters{BytesSent: 100, BlocksSent: 1, WantsReceived: 3, Duplicates: 1},
			Value:    100, Score: 0.1, Faults: map[string]uint64{"never-sent": 2, "lied": 1},
			LastExchange: noon,
		},
	}}
}

// busy has something on every page.
func busy() *source {
	s := node()
	s.agents = map[peer.ID]string{id("a"): "kubo/0.42.0", id("b"): "souk/1.2.3"}
	s.rates = map[peer.ID]Rate{
		id("a"): {Received10s: 3 << 20, Received1m: 2 << 20, Sent10s: 1000},
		id("b"): {Received10s: 1 << 20, Sent10s: 5 << 20, Sent1m: 1 << 20},
	}
	for i := range 60 {
		s.history = append(s.history, Sample{Start: noon.Add(time.Duration(i-60) * time.Minute), Length: time.Minute, Received: uint64(i * i << 16), Sent: uint64(60-i) << 20})
	}
	s.wants = []Want{
		{CID: block("x"), Peer: id("a"), Direction: WantSent, Block: true, Since: noon.Add(-90 * time.Second), State: "asked", Session: "7"},
		{CID: block("y"), Peer: id("b"), Direction: WantReceived, Since: noon.Add(-5 * time.Second), State: "not here"},
	}
	s.sessions = []SessionDetail{
		{
			Session: Session{ID: "7", Started: noon.Add(-5 * time.Minute), Namespace: "photos", Wants: 2, Asked: 1, Blocks: 1234, Bytes: 300 << 20, Duplicates: 3, Peers: 2, LastBlock: noon.Add(-time.Minute)},
			Waiting: []SessionWant{{CID: block("x"), Since: noon.Add(-90 * time.Second), State: "asked", Asked: []Asked{{Peer: id("a")}, {Peer: id("b"), Answer: "don't have"}}}},
			Tried:   []SessionPeer{{Peer: id("a"), State: "active", Asked: 1240, Blocks: 1234, Bytes: 300 << 20, Haves: 1, DontHaves: 2, Latency: 12 * time.Millisecond}},
			Time:    []TimeSpent{{What: "waiting for peers", Time: 4 * time.Minute}},
		},
		{Session: Session{ID: "8", Started: noon.Add(-2 * time.Second), Wants: 1}},
	}
	s.actors = []Actor{
		{Name: "engine", Saturation: 0.97, Depth: 60, High: 64, Room: 64, Oldest: 3200 * time.Millisecond},
		{Name: "ledger", Saturation: 0.02, High: 7, Room: 64, Restarts: 1},
	}
	s.store = Store{Bytes: 99, Quota: 100, Blocks: 12}
	s.trackers = []TrackerState{{ID: id("tracker"), State: "does not answer"}, {ID: id("other"), Reachable: true, State: "12 ms"}}
	s.refused = map[string]uint64{"access": 12, "too large": 1}
	return s
}

func (s *source) Self() peer.ID { return id("self") }

func (s *source) Stat() Stat { return Stat{1, 2, 3, 4, 5, 6, 7, 8} }

func (s *source) Ledgers() []ledger.Receipt { return slices.Clone(s.ledgers) }

func (s *source) Ledger(p peer.ID) (ledger.Receipt, bool) {
	for _, r := range s.ledgers {
		if r.Peer == p {
			return r, true
		}
	}
	return ledger.Receipt{}, false
}

func (s *source) Tracker(_ context.Context, most int) (Tracker, bool) {
	if s.tracker == nil {
		return Tracker{}, false
	}
	t := *s.tracker
	t.Top = t.Top[:min(most, len(t.Top))]
	return t, true
}

func (s *source) Agent(p peer.ID) string { return s.agents[p] }

func (s *source) Connections(p peer.ID) []Connection {
	if r, ok := s.Ledger(p); !ok || !r.Connected {
		return nil
	}
	return []Connection{{Address: "/ip4/192.0.2.7/tcp/4101", Inbound: true, Opened: noon.Add(-time.Hour), Streams: 3}}
}

func (s *source) Rates() map[peer.ID]Rate { return s.rates }

func (s *source) History(peer.ID) []Sample { return s.history }

func (s *source) Wants(_ context.Context, q WantQuery) (list WantList) {
	for _, w := range s.wants {
		if q.Peer != "" && w.Peer != q.Peer || q.Direction != "" && w.Direction != q.Direction {
			continue
		}
		if w.Direction == WantSent {
			list.Sent++
		} else {
			list.Received++
		}
		if len(list.Wants) < q.Most {
			list.Wants = append(list.Wants, w)
		}
	}
	return list
}

func (s *source) Sessions(context.Context) (all []Session) {
	for _, d := range s.sessions {
		all = append(all, d.Session)
	}
	return all
}

func (s *source) Session(_ context.Context, id string) (SessionDetail, bool) {
	for _, d := range s.sessions {
		if d.ID == id {
			return d, true
		}
	}
	return SessionDetail{}, false
}

func (s *source) Actors(context.Context) []Actor { return s.actors }

func (s *source) Store(context.Context) (Store, error) { return s.store, s.broken }

func (s *source) Trackers(context.Context) []TrackerState { return s.trackers }

func (s *source) Refused(context.Context) map[string]uint64 { return s.refused }

// id returns a peer ID that is made from a name.
func id(name string) peer.ID { return peer.ID(digest(name)) }

// block returns a CID that is made from a name.
func block(name string) cid.Cid { return cid.NewCidV1(cid.Raw, digest(name)) }

func digest(name string) multihash.Multihash {
	sum, err := multihash.Sum([]byte(name), multihash.SHA2_256, -1)
	if err != nil {
		panic(err)
	}
	return sum
}
