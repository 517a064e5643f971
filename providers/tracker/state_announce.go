package tracker

import (
	"net/netip"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// MayAnnounce tells whether an announcement is worth verifying. It counts against
// the rates of the peer and its prefix: so does one with a wrong signature.
func (t *Table) MayAnnounce(now time.Time, c Claim) Verdict {
	if !rightName(c.Namespace) || !rightPeer(c.Peer) || c.Size < 0 || c.Size > 4*mostRecord {
		return t.refuse(Verdict{Refusal: RefusedSize})
	}
	if v := t.charge(now, c.Peer, c.Origin, cost{announces: 1, bytes: float64(c.Size)}); v.Refusal != Accepted {
		return t.refuse(v)
	}
	v := t.admits(c)
	if v.Refusal == Accepted && !c.Withdraws && !t.couldFit(c) {
		v.Refusal = RefusedFull
	}
	return t.refuse(v)
}

// Announce takes an announcement that was verified, after [Table.MayAnnounce].
// Its slices may be used again by the caller.
func (t *Table) Announce(now time.Time, a Announcement) Verdict {
	if v := t.acceptable(now, a); v.Refusal != Accepted {
		return t.refuse(v)
	}
	if a.TTL == 0 {
		t.withdraw(now, a)
		return Verdict{}
	}
	blob := allocated(len(appendHead(nil, &a)) + len(a.Record))
	placed, refused := 0, Verdict{}
	for p := range placesOf(a.Namespace, a.Ranges) {
		if !t.makeRoom(p.name(), a.Peer, prefixOf(a.Origin), blob) {
			refused.Refusal = RefusedFull
			continue
		}
		t.put(now, p.name(), a)
		placed++
	}
	if placed > 0 {
		t.supersede(a)
		t.stat.Announced++
	}
	return t.refuse(refused)
}

// supersede forgets what the peer said of the namespace before, where that is at
// other places: a lower sequence counts for nothing.
func (t *Table) supersede(a Announcement) {
	for _, h := range t.kin(a.Peer, a.Namespace) {
		if t.rows.at(h).seq < a.Seq {
			t.note(h)
			t.forget(h)
		}
	}
}

// Touch keeps the rows of a peer that is connected for another TTL, up to a day
// after its record was signed. That is refused as unknown, too, when the row of a
// shard has gone.
func (t *Table) Touch(now time.Time, id peer.ID, from netip.Addr, namespace string, seq uint64) Verdict {
	if v := t.charge(now, id, from, cost{announces: 0.25}); v.Refusal != Accepted {
		return t.refuse(v)
	}
	kept, places, stored := 0, 0, uint64(0)
	for _, h := range t.kin(id, namespace) {
		switch r := t.rows.at(h); {
		case r.withdrawn() || r.expires <= second(now):
		case r.seq != seq:
			stored = r.seq
		default:
			t.refresh(now, h)
			kept, places = kept+1, t.placesOf(h)
		}
	}
	switch {
	case stored != 0:
		return t.refuse(Verdict{Refusal: RefusedSequence, Seq: stored})
	case kept == 0 || kept < places:
		return t.refuse(Verdict{Refusal: RefusedUnknown})
	}
	t.stat.Touched++
	return Verdict{}
}

// refresh gives a row its TTL anew, or what the age of its signature leaves of it.
func (t *Table) refresh(now time.Time, h handle) {
	r := t.rows.at(h)
	last := r.issued + uint32(longestAge/time.Second)
	left := min(uint32(r.ttl), last-min(last, second(now)))
	if expires := second(now) + left; expires >= r.expires {
		r.ttl = uint16(left)
		t.reset(h, expires)
	}
}

// placesOf is how many rows there are for the record of a row, if none has gone.
func (t *Table) placesOf(h handle) int {
	r := t.rows.at(h)
	if !placeOf(t.spaces.at(r.space).name).Narrow {
		return 1
	}
	return r.shards()
}

// reset makes a row expire at another second.
func (t *Table) reset(h handle, expires uint32) {
	t.unwind(h)
	t.rows.at(h).expires = expires
	t.wind(h)
}

func (t *Table) refuse(v Verdict) Verdict {
	if v.Refusal != Accepted {
		t.stat.Refused[v.Refusal]++
	}
	return v
}

func rightName(namespace string) bool { return len(namespace) > 0 && len(namespace) <= mostName }

func rightPeer(id peer.ID) bool { return len(id) > 0 && len(id) <= mostPeerID }

// acceptable checks all that does not depend on how full the table is.
func (t *Table) acceptable(now time.Time, a Announcement) Verdict {
	switch {
	case !rightName(a.Namespace), !rightPeer(a.Peer), len(a.Record) > mostRecord:
		return Verdict{Refusal: RefusedSize}
	case a.Issued.After(now.Add(skew)):
		return Verdict{Refusal: RefusedEarly}
	case a.Issued.Before(now.Add(-skew)):
		return Verdict{Refusal: RefusedLate}
	}
	return t.admits(Claim{Peer: a.Peer, Namespace: a.Namespace, Ranges: a.Ranges, Withdraws: a.TTL == 0, Seq: a.Seq})
}

// admits checks the sequence and how many namespaces the peer is in. A withdrawal
// needs something to withdraw.
func (t *Table) admits(c Claim) Verdict {
	live, gone, stored := 0, 0, uint64(0)
	kin := t.kin(c.Peer, c.Namespace)
	for _, h := range kin {
		r := t.rows.at(h)
		stored = max(stored, r.seq)
		if r.withdrawn() {
			gone++
		} else {
			live++
		}
	}
	switch {
	case len(kin) > 0 && stored >= c.Seq:
		return Verdict{Refusal: RefusedSequence, Seq: stored}
	case c.Withdraws && len(kin) == 0:
		return Verdict{Refusal: RefusedUnknown}
	case !c.Withdraws && !t.inQuota(t.announcerOf(c.Peer), countPlaces(c.Ranges), live, gone):
		return Verdict{Refusal: RefusedNamespaces}
	}
	return Verdict{}
}

// inQuota tells whether an announcer may have so many live rows more instead of
// some that it has.
func (t *Table) inQuota(who handle, more, live, gone int) bool {
	most := t.limits.Namespaces
	if who == 0 {
		return more <= most
	}
	a := t.announcers.at(who)
	return int(a.live)-live+more <= most && int(a.live)+int(a.gone)-live-gone+more <= 2*most
}

// ClampTTL gives a TTL its bounds, whatever it is. 0 stays 0.
func ClampTTL(ttl time.Duration) time.Duration {
	if ttl == 0 {
		return 0
	}
	return min(max(ttl, shortestTTL), longestTTL)
}

// withdraw leaves of the rows that they were, so that no older announcement
// brings them back. Where no row was there is nothing to remember.
func (t *Table) withdraw(now time.Time, a Announcement) {
	for _, h := range t.kin(a.Peer, a.Namespace) {
		r := t.rows.at(h)
		r.seq = a.Seq
		if !r.withdrawn() {
			from := t.groups.at(r.group).origin
			t.ungroup(h)
			t.loose -= cap(r.blob)
			r.blob, r.ranges, r.group, r.flags = nil, 0, from, flagWithdrawn
			who := t.announcers.at(r.announcer)
			who.live, who.gone = who.live-1, who.gone+1
			t.stat.Rows--
			t.stat.Withdrawn++
			t.note(h)
		}
		t.reset(h, second(now)+uint32(longestTTL/time.Second))
	}
}

// put writes a row at a place, where there is room for it.
func (t *Table) put(now time.Time, place string, a Announcement) {
	who, sp := t.announcerFor(a.Peer), t.spaceFor(place)
	h := t.rowOf(who, sp)
	if h == 0 {
		h = t.rows.add(0, row{announcer: who, space: sp, born: second(now), sibling: t.announcers.at(who).rows})
		t.announcers.at(who).rows = h
		t.spaces.at(sp).members++
	} else {
		t.lift(h)
	}
	t.rows.at(h).fill(now, a)
	t.spaces.at(sp).announces.count(second(now))
	t.lay(h, t.originFor(prefixOf(a.Origin)))
	t.note(h)
}

// fill takes over what was announced. How old a row is and how it did, stays.
func (r *row) fill(now time.Time, a Announcement) {
	ttl := ClampTTL(a.TTL)
	r.seq, r.ttl, r.roles = a.Seq, uint16(ttl/time.Second), a.Roles
	r.capacity, r.issued = uint8((min(a.Capacity, plenty)+7)/8), second(a.Issued)
	r.verified, r.unverified = a.Verified, a.Unverified
	r.expires = second(now.Add(ttl)) // which is before its signature is too old
	head := appendHead(nil, &a)
	r.blob = slices.Grow([]byte(nil), len(head)+len(a.Record)) // its capacity is what the allocator took
	r.blob = append(append(r.blob, head...), a.Record...)
	r.flags, r.ranges = 0, uint8(len(head)/4)
	if a.Complete {
		r.flags |= flagComplete
	}
	if !a.Keys.Empty() {
		r.flags, r.ranges = r.flags|flagKeys, 0
	}
}

// lay puts a filled row where queries and the clock find it.
func (t *Table) lay(h, from handle) {
	r := t.rows.at(h)
	t.loose += cap(r.blob)
	t.announcers.at(r.announcer).live++
	t.stat.Rows++
	t.enlist(h, from)
	t.group(h, from)
	t.wind(h)
}

// lift undoes lay, or takes up a row that was withdrawn.
func (t *Table) lift(h handle) {
	r := t.rows.at(h)
	who := t.announcers.at(r.announcer)
	from := r.group
	if r.withdrawn() {
		who.gone--
		t.stat.Withdrawn--
	} else {
		from = t.groups.at(r.group).origin
		t.ungroup(h)
		t.loose -= cap(r.blob)
		who.live--
		t.stat.Rows--
	}
	t.unwind(h)
	t.delist(h, from)
}

// forget drops a row and all that was there for it alone.
func (t *Table) forget(h handle) {
	t.lift(h)
	sp := t.rows.at(h).space
	t.abandon(h)
	t.rows.remove(0, h)
	t.leaveSpace(sp)
}
