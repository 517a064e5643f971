package debug

import (
	"context"
	"slices"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multihash"

	"github.com/souk-p2p/souk"
	"github.com/souk-p2p/souk/ledger"
)

// source is a node at one moment.
type source struct {
	ledgers        []ledger.Receipt
	tracker        *Tracker // nil when it is none
	peers          []souk.PeerStat
	sent           []souk.WantStat
	received       []souk.WantStat
	sessions       []souk.SessionDetail
	actors         []souk.ActorStat
	store          Store
	broken         error // of the store
	trackers       []TrackerState
	refused        map[string]uint64
	classes        []souk.ClassStat
	services       []souk.Running
	documents      []Document
	documentsErr   error
	documentsNext  string
	askedDocuments DownloadQuery
}

// config has every topic.
func (s *source) config() Config {
	return Config{
		Source: s, Tracker: s, Peers: s, Wants: s, Sessions: s, Actors: s, Store: s, Trackers: s, Refusals: s, Classes: s, Services: s, Downloads: s,
		Version: "souk 1.2.3", Now: func() time.Time { return noon },
	}
}

// node has three peers, one of which is connected.
func node() *source {
	return &source{ledgers: []ledger.Receipt{
		{
			Peer:     id("a"),
			Counters: ledger.Counters{BytesReceived: 1 << 20, BlocksReceived: 4, WantsSent: 4, WantsReceived: 1, Duplicates: 9},
			Value:    0.25, Latency: 40 * time.Millisecond, Resolver: 70 * time.Millisecond, Throughput: 12.5 * (1 << 20), Score: 0.9,
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
	a, b := &s.ledgers[0], &s.ledgers[1]
	a.Agent, a.Rates = "kubo/0.42.0", ledger.Rates{Received10s: 3 << 20, Received1m: 2 << 20, Sent10s: 1000}
	b.Agent, b.Rates = "souk/1.2.3", ledger.Rates{Received10s: 1 << 20, Sent10s: 5 << 20, Sent1m: 1 << 20}
	a.History = &ledger.History{}
	for i := range 60 {
		a.History.Minutes = append(a.History.Minutes, ledger.Traffic{From: noon.Add(time.Duration(i-60) * time.Minute), Received: uint64(i * i << 16), Sent: uint64(60-i) << 20})
	}
	for i := range 48 {
		a.History.HalfHours = append(a.History.HalfHours, ledger.Traffic{From: noon.Add(time.Duration(i-48) * 30 * time.Minute), Received: uint64(i%13) << 26, Sent: uint64(i%7) << 26})
	}
	s.peers = []souk.PeerStat{{
		Peer: a.Peer, Protocol: "/ipfs/bitswap/1.2.0", Class: "proven", StrikeLimit: 64, Strikes: 3, Window: 8 << 20, Since: noon.Add(-time.Hour),
		Connections:   []souk.ConnectionStat{{Address: "/ip4/192.0.2.7/tcp/4101", Inbound: true, Opened: noon.Add(-time.Hour), Streams: 3}},
		WantsReceived: 1,
	}}
	s.sent = []souk.WantStat{{CID: block("x"), Peer: id("a"), Kind: "block", Priority: 7, Age: 90 * time.Second, State: "written"}}
	s.received = []souk.WantStat{{CID: block("y"), Peer: id("b"), Kind: "have", Age: 5 * time.Second, State: "absent"}}
	s.sessions = []souk.SessionDetail{
		{
			SessionStat: souk.SessionStat{
				ID: 7, Opened: noon.Add(-5 * time.Minute), Namespace: "photos", WantsLeft: 2, Calls: 1, Blocks: 1234, Bytes: 300 << 20, Duplicates: 3, Peers: 2,
				Doing: "answers", Spent: souk.TimeSpent{Answers: 4 * time.Minute, Transferring: time.Minute},
			},
			Tried: []souk.TriedPeer{
				{Peer: id("a"), Answer: "blocks", Connected: true, Source: "directory", Blocks: 1234, Bytes: 300 << 20, Haves: 1, DontHaves: 2, RTT: 12 * time.Millisecond},
				{Peer: id("b"), Answer: "unreachable", Error: "dial: <timeout>", Source: "named"},
			},
			Oldest: []souk.OldWant{{CID: block("x"), Age: 90 * time.Second, Waits: "for answers", Peers: []peer.ID{id("b")}}},
		},
		{SessionStat: souk.SessionStat{ID: 8, Opened: noon.Add(-2 * time.Second), WantsLeft: 1, Doing: "transferring"}, Oldest: []souk.OldWant{{CID: block("z"), Age: time.Hour}}},
	}
	s.actors = []souk.ActorStat{
		{Name: "engine", Instances: 1, Saturation10s: 0.97, Saturation1m: 0.5, Depth: 60, HighWater: 64, Capacity: 64, Oldest: 3200 * time.Millisecond},
		{Name: "ledger", Instances: 1, Saturation10s: 0.02, HighWater: 7, Capacity: 64, Restarts: 1},
	}
	s.store = Store{Bytes: 99, Quota: 100, Blocks: 12}
	s.trackers = []TrackerState{{ID: id("tracker"), State: "does not answer"}, {ID: id("other"), Reachable: true, State: "12 ms"}}
	s.classes = []souk.ClassStat{
		{Class: "default", BytesReceived: 3 << 20, BlocksReceived: 12, UploadRate: 5_000_000},
		{Class: "friends", BytesSent: 9 << 20, BlocksSent: 36, UploadRate: 20_000_000, UploadRatePeer: 2_000_000},
	}
	s.refused = map[string]uint64{"access": 12, "too large": 1}
	return s
}

func (s *source) Classes() []souk.ClassStat { return s.classes }

func (s *source) Services() []souk.Running { return s.services }

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

func (s *source) Peers(context.Context) ([]souk.PeerStat, error) { return s.peers, nil }

func (s *source) WantsSent(_ context.Context, q souk.WantQuery) (souk.WantPage, error) {
	return wantPage(s.sent, q), nil
}

func (s *source) WantsReceived(_ context.Context, q souk.WantQuery) (souk.WantPage, error) {
	return wantPage(s.received, q), nil
}

// wantPage is a page of wants in the order that they have.
func wantPage(all []souk.WantStat, q souk.WantQuery) souk.WantPage {
	page := souk.WantPage{Wants: []souk.WantStat{}}
	begun := q.After == souk.WantCursor{}
	for _, w := range all {
		if q.Peer != "" && w.Peer != q.Peer {
			continue
		}
		page.Total++
		page.Peers = 1
		switch {
		case !begun:
			begun = w.Peer == q.After.Peer && w.CID == q.After.CID
		case len(page.Wants) < q.Limit:
			page.Wants = append(page.Wants, w)
		case page.Next == souk.WantCursor{}:
			last := page.Wants[q.Limit-1]
			page.Next = souk.WantCursor{Peer: last.Peer, CID: last.CID}
		}
	}
	return page
}

func (s *source) Sessions(_ context.Context, _ uint64, most int) ([]souk.SessionStat, error) {
	all := []souk.SessionStat{}
	for _, d := range s.sessions[:min(most, len(s.sessions))] {
		all = append(all, d.SessionStat)
	}
	return all, nil
}

func (s *source) Session(_ context.Context, id uint64) (souk.SessionDetail, bool) {
	for _, d := range s.sessions {
		if d.ID == id {
			return d, true
		}
	}
	return souk.SessionDetail{}, false
}

func (s *source) Actors() []souk.ActorStat { return s.actors }

func (s *source) Store(context.Context) (Store, error) { return s.store, s.broken }

func (s *source) Trackers(context.Context) []TrackerState { return s.trackers }

func (s *source) Refused() map[string]uint64 { return s.refused }

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
