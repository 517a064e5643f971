//go:build simulation

package discovery

import (
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/providers"
	"github.com/souk-p2p/souk/providers/record"
	"github.com/souk-p2p/souk/providers/tracker"
	"github.com/souk-p2p/souk/providers/wire"
)

// asking plays the part of the directory that asks trackers.
type asking struct {
	f   *fetch
	all map[uint64]*lookup
}

type lookup struct {
	f    *fetch
	id   uint64
	q    providers.Query
	left []level
	seen map[peer.ID]bool
	out  int
	over bool
}

type level struct {
	tracker peer.ID
}

const hedge = 400 * time.Millisecond

func (a *asking) Begin(id uint64, q providers.Query) {
	l := &lookup{f: a.f, id: id, q: q, seen: make(map[peer.ID]bool)}
	point, _ := record.PointOf(q.CIDs[0])
	for _, at := range []tracker.Place{{Namespace: q.Namespace}, {Namespace: q.Namespace, Narrow: true, Division: uint8(point.Shard())}} {
		ranked := tracker.Rank(at, a.f.w.trackers)
		for _, id := range ranked[:min(2*tracker.Replicas, len(ranked))] {
			l.left = append(l.left, level{id})
		}
	}
	if a.all == nil {
		a.all = make(map[uint64]*lookup)
	}
	a.all[id] = l
	l.next()
}

func (a *asking) Stop(id uint64) {
	a.f.world.After(time.Millisecond, a.all[id].end)
}

func (l *lookup) end() {
	if !l.over {
		l.over = true
		l.f.directory().Ended(l.id)
	}
}

func (l *lookup) next() {
	if l.over {
		return
	}
	if len(l.left) == 0 || len(l.seen) >= l.q.Most {
		if l.out == 0 {
			l.end()
		}
		return
	}
	t := l.f.w.servers[l.left[0].tracker]
	l.left = l.left[1:]
	l.out++
	l.f.Queries++
	delay := l.f.w.latency(l.f.who, t.who)
	answered := false
	l.f.world.After(3*delay, func() {
		if !t.up {
			return
		}
		point, _ := record.PointOf(l.q.CIDs[0])
		reply := t.query(time.Now(), l.f.who, l.f.id, wire.Query{ID: 1, About: wire.About{Namespace: record.Namespace(l.q.Namespace), Point: &point, Roles: record.Blocks}, K: l.q.Most})
		l.f.world.After(delay, func() {
			answered = true
			l.take(reply)
		})
	})
	l.f.world.After(4*delay+hedge, func() {
		if !answered {
			l.out--
			l.next()
		}
	})
}

func (l *lookup) take(reply *wire.Reply) {
	l.out--
	if l.over {
		return
	}
	for _, row := range reply.Rows {
		s, err := record.Parse(row.Record)
		if err != nil || s.CheckListed(time.Now()) != nil || l.f.w.keys.verify(s) != nil {
			continue
		}
		r := s.Record()
		if !l.seen[r.Peer] {
			l.seen[r.Peer] = true
			l.f.named()
			l.f.directory().Found(l.id, peer.AddrInfo{ID: r.Peer, Addrs: r.Addrs})
		}
	}
	l.next()
}

func (f *fetch) directory() *providers.Steps { return f.world.Directory(f.id) }
