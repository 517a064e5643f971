package tracker

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/internal/actor"
	"github.com/souk-p2p/souk/providers/record"
	"github.com/souk-p2p/souk/providers/wire"
)

// request is what the inbox of the actor holds.
type request interface{ isRequest() }

type (
	opened struct {
		stream *serving
		peer   peer.ID
		origin netip.Addr
		reply  chan<- bool
	}
	closed struct{ stream *serving }
	claim  struct {
		claim Claim
		reply chan<- Verdict
	}
	announce struct {
		announcement Announcement
		reply        chan<- Verdict
	}
	touch struct {
		stream *serving
		rows   []wire.Touched
		size   int
		reply  chan<- []Verdict
	}
	query struct {
		query Query
		reply chan<- Answer
	}
	subscribe struct {
		stream  *serving
		request wire.RequestID
		about   Query
		reply   chan<- Verdict
	}
	unsubscribe struct {
		stream  *serving
		request wire.RequestID
		size    int
		reply   chan<- unsubscribed
	}
	feedback struct {
		stream  *serving
		token   uint64
		reports []Report
		samples []Sample
		size    int
		reply   chan<- Verdict
	}
	charge struct {
		stream *serving
		size   int
		reply  chan<- Verdict
	}
	faulted struct {
		stream *serving
		fault  wire.Fault
		size   int
		reply  chan<- Verdict
	}
	spoiled struct {
		stream  *serving
		fault   record.Fault
		size    int
		claimed bool
		reply   chan<- Verdict
	}
	squeezed struct{}
	list     struct {
		query Query
		reply chan<- Answer
	}
	snapshot struct {
		from  uint32
		reply chan<- piece
	}
	restore struct {
		chunk []byte
		reply chan<- error
	}
	wrote struct{ err error }
	stats struct{ reply chan<- Stat }
	tops  struct {
		from  uint32
		n     int
		reply chan<- topPart
	}
)

type (
	unsubscribed struct {
		left    int
		verdict Verdict
	}
	// piece is a part of a snapshot, and where the next begins.
	piece struct {
		chunk []byte
		next  uint32
	}
	topPart struct {
		top  []NamespaceStat
		next uint32
	}
	// probed is the result of a probe.
	probed struct {
		probe  Probe
		became ProbeResult
	}
)

func (opened) isRequest()      {}
func (closed) isRequest()      {}
func (claim) isRequest()       {}
func (announce) isRequest()    {}
func (touch) isRequest()       {}
func (query) isRequest()       {}
func (subscribe) isRequest()   {}
func (unsubscribe) isRequest() {}
func (feedback) isRequest()    {}
func (charge) isRequest()      {}
func (faulted) isRequest()     {}
func (spoiled) isRequest()     {}
func (squeezed) isRequest()    {}
func (list) isRequest()        {}
func (snapshot) isRequest()    {}
func (restore) isRequest()     {}
func (wrote) isRequest()       {}
func (stats) isRequest()       {}
func (tops) isRequest()        {}

// RefusedError says why a question was not answered.
type RefusedError struct {
	Refusal Refusal
	After   time.Duration // when to try again; zero when that is no use
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("tracker: refused: %s, again after %s", e.Refusal, e.After)
}

// RetryAfter is when to try again: what an answer over HTTP says.
func (e *RefusedError) RetryAfter() time.Duration { return e.After }

// Listed is a provider as it is told to those who ask over HTTP.
type Listed struct {
	Info     peer.AddrInfo // verified addresses first
	Complete bool          // it has all of the part that it announced
}

// Providers returns at most k peers, and at most 64, that may have a block: of the
// namespace, or of the public ones when it is empty. Without a block they are those
// that have all of the namespace or wide ranges of it. It is for who has no stream;
// what it may ask is bounded for its address and for its prefix. A [*RefusedError]
// says that it asks too much, an [*record.Error] what is wrong with the namespace.
func (t *Tracker) Providers(ctx context.Context, asker netip.Addr, ns record.Namespace, c cid.Cid, k int) ([]Listed, error) {
	at, ok := record.PointOf(c)
	if !ok && (c.Defined() || ns == "") {
		return nil, fmt.Errorf("tracker: %s has no point in a namespace", c)
	}
	if ns != "" {
		if err := ns.Check(); err != nil {
			return nil, err
		}
	}
	q := Query{
		Peer: nameOf(asker), Origin: asker, Namespace: string(ns), Point: at, HasPoint: ok,
		Roles: Roles(record.Blocks), K: uint64(min(max(k, 0), wire.MaxRows)),
	}
	answer, err := actor.Ask(ctx, t.inbox, func(reply chan<- Answer) request { return list{q, reply} })
	if err == nil && answer.Refusal != Accepted {
		err = &RefusedError{answer.Refusal, answer.After}
	}
	if err != nil {
		return nil, err
	}
	return listedOf(answer.Rows), nil
}

// nameOf stands for an asker without an identity: an IPv4 address, or a /64.
func nameOf(asker netip.Addr) peer.ID {
	bits := 64
	if asker = asker.Unmap(); asker.Is4() {
		bits = 32
	}
	p, _ := asker.Prefix(bits) // Zero for an address that is none: all of these are one asker.
	return peer.ID("address " + p.String())
}

func listedOf(rows []Candidate) []Listed {
	all := make([]Listed, 0, len(rows))
	for _, c := range rows {
		s, err := record.Parse(c.Record)
		if err != nil {
			continue // A row of a snapshot that another version wrote.
		}
		addrs := append(s.Record().Select(c.Verified), s.Record().Select(c.Unverified)...)
		all = append(all, Listed{peer.AddrInfo{ID: c.Peer, Addrs: addrs}, c.Complete})
	}
	return all
}

// Stat returns the statistics. They are zero when ctx ends first and after the
// tracker has ended.
func (t *Tracker) Stat(ctx context.Context) Stat {
	stat, _ := actor.Ask(ctx, t.inbox, func(reply chan<- Stat) request { return stats{reply} })
	return stat
}

// Top returns the n namespaces with most rows. One whose rows are narrow has an
// entry for each shard. It asks in pieces, so that it keeps nobody waiting, and
// what comes and goes meanwhile may be left out.
func (t *Tracker) Top(ctx context.Context, n int) []NamespaceStat {
	var top []NamespaceStat
	for from, more := uint32(0), true; more; more = from != 0 {
		part, err := actor.Ask(ctx, t.inbox, func(reply chan<- topPart) request { return tops{from, n, reply} })
		if err != nil {
			return nil
		}
		top, from = append(top, part.top...), part.next
	}
	slices.SortFunc(top, busiest)
	return top[:min(len(top), max(n, 0))]
}

// Busy is the time that the actor has spent at work.
func (t *Tracker) Busy() time.Duration { return t.loop.Busy() }

// Load is how busy the actor is and what waits for it. It never waits for it.
func (t *Tracker) Load(now time.Time) actor.Load { return t.loop.Load(now) }

// Depth is the number of requests that wait.
func (t *Tracker) Depth() int { return t.inbox.Depth() }

// Turn is how long the actor has been at work on what it last received.
func (t *Tracker) Turn(now time.Time) time.Duration { return t.loop.Turn(now) }
