package tracker

import (
	"encoding/binary"
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
	v := t.admits(c.Peer, c.Namespace, c.Seq)
	if v.Refusal == Accepted && !t.couldFit(c.Namespace, c.Peer, prefixOf(c.Origin), min(c.Size, mostRecord)) {
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
		return t.refuse(t.withdraw(now, a))
	}
	blob := allocated(4*len(a.Ranges) + len(a.Record))
	if !t.makeRoom(a.Namespace, a.Peer, prefixOf(a.Origin), blob) {
		return t.refuse(Verdict{Refusal: RefusedFull})
	}
	t.put(now, a)
	t.stat.Announced++
	return Verdict{}
}

// Touch keeps the row of a peer that is connected for another TTL, up to a day
// after its record was signed.
func (t *Table) Touch(now time.Time, id peer.ID, from netip.Addr, namespace string, seq uint64) Verdict {
	if v := t.charge(now, id, from, cost{announces: 0.25}); v.Refusal != Accepted {
		return t.refuse(v)
	}
	h := t.rowOf(t.announcerOf(id), t.spaceOf(namespace))
	if h == 0 || t.rows.at(h).withdrawn() || t.rows.at(h).expires <= second(now) {
		return t.refuse(Verdict{Refusal: RefusedUnknown})
	}
	r := t.rows.at(h)
	if r.seq != seq {
		return t.refuse(Verdict{Refusal: RefusedSequence, Seq: r.seq})
	}
	t.reset(h, max(r.expires, min(second(now)+uint32(r.ttl), r.issued+uint32(longestAge/time.Second))))
	t.stat.Touched++
	return Verdict{}
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
	case !rightName(a.Namespace), !rightPeer(a.Peer), len(a.Ranges) > mostRanges, len(a.Record) > mostRecord:
		return Verdict{Refusal: RefusedSize}
	case a.Issued.After(now.Add(skew)):
		return Verdict{Refusal: RefusedEarly}
	case a.Issued.Before(now.Add(-skew)):
		return Verdict{Refusal: RefusedLate}
	}
	return t.admits(a.Peer, a.Namespace, a.Seq)
}

// admits checks the sequence and how many namespaces the peer is in.
func (t *Table) admits(id peer.ID, namespace string, seq uint64) Verdict {
	who := t.announcerOf(id)
	if who == 0 {
		return Verdict{}
	}
	h := t.rowOf(who, t.spaceOf(namespace))
	switch {
	case h != 0 && t.rows.at(h).seq >= seq:
		return Verdict{Refusal: RefusedSequence, Seq: t.rows.at(h).seq}
	case h != 0 && !t.rows.at(h).withdrawn():
		return Verdict{}
	case !t.inQuota(who, h == 0, true):
		return Verdict{Refusal: RefusedNamespaces}
	}
	return Verdict{}
}

// inQuota tells whether an announcer may have one row more that is live, or one
// more at all.
func (t *Table) inQuota(who handle, fresh, live bool) bool {
	if who == 0 {
		return true
	}
	a, most := t.announcers.at(who), t.limits.Namespaces
	return (!live || int(a.live) < most) && (!fresh || int(a.live)+int(a.gone) < 2*most)
}

// ClampTTL gives a TTL its bounds, whatever it is. 0 stays 0.
func ClampTTL(ttl time.Duration) time.Duration {
	if ttl == 0 {
		return 0
	}
	return min(max(ttl, shortestTTL), longestTTL)
}

// withdraw leaves of a row that it was, so that no older announcement brings it
// back. Where no row was there is nothing to remember.
func (t *Table) withdraw(now time.Time, a Announcement) Verdict {
	h := t.rowOf(t.announcerOf(a.Peer), t.spaceOf(a.Namespace))
	if h == 0 {
		return Verdict{Refusal: RefusedUnknown}
	}
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
	return Verdict{}
}

// put writes a row for which there is room.
func (t *Table) put(now time.Time, a Announcement) {
	who, sp := t.announcerFor(a.Peer), t.spaceFor(a.Namespace)
	h := t.rowOf(who, sp)
	if h == 0 {
		h = t.rows.add(0, row{announcer: who, space: sp, born: second(now), sibling: t.announcers.at(who).rows})
		t.announcers.at(who).rows = h
		t.spaces.at(sp).members++
	} else {
		t.lift(h)
	}
	t.rows.at(h).fill(now, a)
	t.lay(h, t.originFor(prefixOf(a.Origin)))
	t.note(h)
}

// fill takes over what was announced. How old a row is and how it did, stays.
func (r *row) fill(now time.Time, a Announcement) {
	ttl := ClampTTL(a.TTL)
	r.seq, r.ttl, r.roles, r.ranges = a.Seq, uint16(ttl/time.Second), a.Roles, uint8(len(a.Ranges))
	r.capacity, r.issued = uint16(min(a.Capacity, 1<<16-1)), second(a.Issued)
	r.expires = second(now.Add(ttl))                                 // which is before its signature is too old
	r.blob = slices.Grow([]byte(nil), 4*len(a.Ranges)+len(a.Record)) // its capacity is what the allocator took
	for _, span := range a.Ranges {
		r.blob = binary.BigEndian.AppendUint16(r.blob, span[0])
		r.blob = binary.BigEndian.AppendUint16(r.blob, span[1])
	}
	r.blob = append(r.blob, a.Record...)
	r.flags = 0
	if a.Complete {
		r.flags |= flagComplete
	}
	if a.Verified {
		r.flags |= flagVerified
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
