package wantmanager

import (
	"time"

	"github.com/ipfs/go-cid"

	"github.com/souk-p2p/souk/internal/table"
)

// recent remembers CIDs for a while: in a ring, so that it is bounded.
type recent struct {
	places table.Table[uint16] // in the ring
	ring   []noted             // the oldest is at next once it is full
	next   int
	began  time.Time // the times in the ring count from here
	lost   time.Time // when the youngest that had to be forgotten was added
}

type noted struct {
	cid cid.Cid
	at  time.Duration
}

func (r *recent) add(now time.Time, c cid.Cid) {
	if r.ring == nil {
		r.places = table.New(func(n uint16) cid.Cid { return r.ring[n].cid })
		r.began = now
	}
	at := now.Sub(r.began)
	if n, known := r.places.Get(c); known {
		r.ring[n].at = at
		return
	}
	if len(r.ring) < maxRecent {
		r.ring = append(r.ring, noted{c, at})
	} else {
		oldest := &r.ring[r.next]
		r.lost = r.began.Add(oldest.at)
		r.places.Remove(oldest.cid)
		*oldest = noted{c, at}
	}
	r.places.Put(uint16(r.next))
	r.next = (r.next + 1) % maxRecent
}

// at returns when the CID was added, if that is remembered.
func (r *recent) at(c cid.Cid) (at time.Time, known bool) {
	n, known := r.places.Get(c)
	if !known {
		return at, false
	}
	return r.began.Add(r.ring[n].at), true
}

// has reports whether the CID may have been added since the given time. Where
// it would have been forgotten by now, it may.
func (r *recent) has(c cid.Cid, since time.Time) bool {
	at, known := r.at(c)
	return (known && !at.Before(since)) || r.lost.After(since)
}

// since lists the CIDs added since the given time, oldest first.
func (r *recent) since(t time.Time) []cid.Cid {
	var cs []cid.Cid
	from := 0
	if len(r.ring) == maxRecent {
		from = r.next
	}
	for i := range r.ring {
		if n := r.ring[(from+i)%len(r.ring)]; !r.began.Add(n.at).Before(t) {
			cs = append(cs, n.cid)
		}
	}
	return cs
}
