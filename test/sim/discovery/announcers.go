//go:build simulation

package discovery

import (
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/providers/record"
	"github.com/souk-p2p/souk/providers/tracker"
	"github.com/souk-p2p/souk/providers/wire"
)

// Peers that hold something follow the announcer's rules: a record goes to the
// first three trackers of each of its places that are up, it is touched at 0.4 to
// 0.5 of its TTL, and signed and announced again when a tracker was lost or does
// not know it.

// announce signs what a peer holds and tells the trackers where it belongs.
func (w *World) announce(h uint32) {
	x := &w.holdings[h]
	now := time.Now()
	x.sequence = record.NextSequence(x.sequence, now)
	raw := w.sign(x, now)
	for _, t := range w.homes(x) {
		t.announce(now, x.peer, w.people[x.peer].id, raw, len(x.places()))
	}
}

func (w *World) sign(x *holding, now time.Time) []byte {
	signed, err := record.Sign(w.keys.of(int(x.peer)), record.Record{
		Namespace: x.name(), Ranges: x.ranges(), Complete: x.kind != patchy, Roles: record.Blocks,
		Addrs: addrs(x.peer), Sequence: x.sequence, Issued: now, TTL: ttl,
	})
	if err != nil {
		panic(err) // A record of our own.
	}
	return signed.Bytes()
}

// touch says of a holding that it is still so.
func (w *World) touch(h uint32) {
	x := &w.holdings[h]
	known := true
	for _, t := range w.homes(x) {
		known = t.touch(time.Now(), x.peer, w.people[x.peer].id, wire.Touched{Namespace: x.name(), Sequence: x.sequence}) && known
	}
	if !known {
		w.announce(h)
	}
}

// touchLater keeps a holding's rows for as long as its peer is up.
func (w *World) touchLater(h uint32, within time.Duration) {
	w.wheel.after(within, event{h, w.people[w.holdings[h].peer].life, touches})
}

// below is any duration up to d.
func (w *World) below(d time.Duration) time.Duration { return time.Duration(w.dice.Int64N(int64(d))) }

// homes are the trackers that a holding is announced to, each once.
func (w *World) homes(x *holding) []*server {
	var all []*server
	for _, at := range x.places() {
		for _, t := range w.top(at) {
			if !slices.Contains(all, t) {
				all = append(all, t)
			}
		}
	}
	return all
}

// places are where a holding belongs.
func (x *holding) places() []tracker.Place {
	at := tracker.Place{Namespace: string(x.name())}
	if x.kind != narrow {
		return []tracker.Place{at}
	}
	var all []tracker.Place
	first, last := x.shards()
	for shard := first; shard <= last; shard++ {
		at.Narrow, at.Division = true, uint8(shard)
		all = append(all, at)
	}
	return all
}

// top are the first trackers of a place that are up.
func (w *World) top(at tracker.Place) []*server {
	var all []*server
	for _, id := range tracker.Top(at, w.trackers, func(id peer.ID) bool { return w.servers[id].up }) {
		all = append(all, w.servers[id])
	}
	return all
}
