package providers

import (
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/providers/record"
	"github.com/souk-p2p/souk/providers/wire"
)

// inspector looks at what trackers say, in the goroutines of workers: they may say
// anything.
type inspector struct {
	self   peer.ID
	verify func(*record.Signed) error // the dear part
	score  func(peer.ID) float64      // what we think of a provider ourselves; may be nil
}

// reply is what a tracker's answer is worth.
func (in inspector) reply(now time.Time, about wire.About, most int, from *wire.Reply) reply {
	if from.Refusal != nil {
		return reply{refused: true, again: from.Refusal.RetryAfter}
	}
	r := in.rows(now, about, most, from.Rows)
	r.token = string(from.Token)
	return r
}

// rows checks at most so many rows, cheap things first, and leaves out what cannot be
// used. A row that nobody can have signed, or that is about something else, is a lie.
func (in inspector) rows(now time.Time, about wire.About, most int, all []wire.Row) (r reply) {
	for _, row := range all[:min(len(all), most)] {
		c, use, lie := in.row(now, about, row)
		r.lied = r.lied || lie
		if use && !contains(r.rows, c.ID) {
			r.rows = append(r.rows, c)
		}
	}
	return r
}

// notice is what a notice of a subscription is worth.
func (in inspector) notice(now time.Time, about wire.About, n wire.Notify) reply {
	r := in.rows(now, about, wire.MaxRows, n.Rows)
	r.more = n.More
	return r
}

func (in inspector) row(now time.Time, about wire.About, from wire.Row) (c candidate, use, lie bool) {
	signed, err := record.Parse(from.Record)
	if err != nil {
		return c, false, true
	}
	rec := signed.Record()
	switch {
	case rec.Namespace != about.Namespace || rec.Withdrawn():
		return c, false, true
	case rec.Peer == in.self || !covers(rec, about) || signed.CheckListed(now) != nil:
		return c, false, false // Clocks, and what this tracker knows of points and roles, may differ.
	case in.verify(signed) != nil:
		return c, false, true
	}
	c = candidateOf(rec, from)
	if in.score != nil {
		c.row.own = in.score(c.ID)
	}
	return c, true, false
}

// covers reports whether a record holds what is asked for.
func covers(rec *record.Record, about wire.About) bool {
	switch {
	case !rec.Roles.Has(about.Roles):
		return false
	case about.Point != nil:
		return rec.Keys.Empty() && rec.Ranges.Contains(*about.Point)
	case len(about.Key) > 0:
		return rec.Ranges.Everything() && (rec.Keys.Empty() || rec.Keys.Contains(string(about.Key)))
	}
	return true
}

// candidateOf is a provider with the addresses that are worth dialling, those that
// the tracker has seen first.
func candidateOf(rec *record.Record, from wire.Row) candidate {
	seen, others := rec.Select(from.Verified), rec.Select(from.Unverified&^from.Verified)
	others = others[:min(len(others), record.MaxUnverified)]
	return candidate{
		AddrInfo: peer.AddrInfo{ID: rec.Peer, Addrs: slices.Concat(seen, others)},
		row: &row{
			ranges: rec.Ranges, complete: rec.Complete && rec.Keys.Empty(), verified: len(seen) > 0,
			capacity: rec.Capacity, sequence: rec.Sequence, score: from.Score,
		},
	}
}
