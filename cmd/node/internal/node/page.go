package node

import (
	"context"
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk"
	"github.com/souk-p2p/souk/debug"
	"github.com/souk-p2p/souk/providers/record"
	"github.com/souk-p2p/souk/providers/tracker"
	"github.com/souk-p2p/souk/providers/wire"
)

// Page is what the debug pages show of the node.
func (n *Online) Page() debug.Config {
	p := page{n.Exchange, n.Host.ID(), n.trackerMemory}
	c := debug.Config{
		Source: p, Tracker: p, Peers: n.Exchange, Wants: n.Exchange, Sessions: n.Exchange, Actors: n.Exchange, Trackers: trackersPage{n},
		Refusals: n.Exchange, Classes: n.Exchange, Services: n.Exchange, Draining: n.Exchange.Draining, Store: storePage{n.Storage},
	}
	if n.mirror != nil {
		c.Downloads = documentsPage{n}
	}
	return c
}

type page struct {
	*souk.Exchange
	self          peer.ID
	trackerMemory int
}

type storePage struct{ storage *Storage }

// Store implements [debug.StoreSource].
func (p storePage) Store(ctx context.Context) (debug.Store, error) {
	u, err := p.storage.Usage(ctx)
	return debug.Store{Bytes: uint64(u.Bytes), Quota: uint64(u.MaxBytes), Blocks: uint64(u.Blocks)}, err
}

func (p page) Self() peer.ID { return p.self }

func (p page) Stat() debug.Stat {
	s := p.Exchange.Stat()
	return debug.Stat{
		BlocksReceived: s.BlocksReceived, DataReceived: s.DataReceived,
		DupBlksReceived: s.DupBlksReceived, DupDataReceived: s.DupDataReceived,
		BlocksSent: s.BlocksSent, DataSent: s.DataSent,
		MessagesReceived: s.MessagesReceived, MessagesSent: s.MessagesSent,
	}
}

// Tracker implements [debug.TrackerSource].
func (p page) Tracker(ctx context.Context, most int) (debug.Tracker, bool) {
	t := p.Exchange.Tracker()
	if t == nil {
		return debug.Tracker{}, false
	}
	return trackerPage(t.Stat(ctx), t.Top(ctx, most), p.trackerMemory), true
}

// trackersPage is how the trackers are that a node uses.
type trackersPage struct{ node *Online }

// Trackers implements [debug.TrackersSource].
func (t trackersPage) Trackers(ctx context.Context) []debug.TrackerState {
	all, err := t.node.Trackers(ctx)
	if err != nil {
		return nil // The node is closing.
	}
	states := make([]debug.TrackerState, len(all))
	for i, of := range all {
		states[i] = debug.TrackerState{ID: of.ID, Reachable: !time.Now().Before(of.DownUntil), State: "not asked yet"}
		switch {
		case !states[i].Reachable:
			states[i].State = "does not answer"
		case of.Latency > 0:
			states[i].State = of.Latency.Round(100 * time.Microsecond).String()
		}
	}
	return states
}

func trackerPage(s tracker.Stat, top []tracker.NamespaceStat, budget int) debug.Tracker {
	table := s.Table
	t := debug.Tracker{
		Namespaces: table.Namespaces, Announcers: table.Announcers, Rows: table.Rows, Watches: table.Watches,
		Bytes: table.Bytes, Budget: budget,
		Announced: table.Announced, Touched: table.Touched, Queries: table.Queries, Answered: table.Answered,
		Feedback: table.Feedback, Probed: table.Probed, Expired: table.Expired, Evicted: table.Evicted,
		Refused: refusals(s), Top: make([]debug.Namespace, len(top)),
	}
	for i, ns := range top {
		t.Top[i] = debug.Namespace{
			Name: string(ns.Namespace), Rows: ns.Rows, Announcers: ns.Announcers,
			Announces: ns.Announces, Queries: ns.Queries, AnnounceRate: ns.AnnounceRate, QueryRate: ns.QueryRate,
		}
		if ns.Narrow {
			t.Top[i].Shard = fmt.Sprintf("%02x", ns.Shard)
		}
	}
	return t
}

// refusals are what was refused by the table, for what is in a record or a
// message, and for want of room for streams.
func refusals(s tracker.Stat) map[string]uint64 {
	by := make(map[string]uint64)
	note := func(reason string, n uint64) {
		if n > 0 {
			by[reason] += n
		}
	}
	for reason, n := range s.Table.Refused {
		if r := tracker.Refusal(reason); r != tracker.Accepted {
			note(r.String(), n)
		}
	}
	for fault, n := range s.Records {
		note("record: "+record.Fault(fault).String(), n)
	}
	for fault, n := range s.Faults {
		note("message: "+wire.Fault(fault).String(), n)
	}
	note("streams of a peer", s.StreamsOfPeer)
	note("streams of all peers", s.StreamsOfAll)
	return by
}
