package tracker

import (
	"encoding/binary"

	"github.com/souk-p2p/souk/providers/record"
)

// The ranges of a row are at the front of its blob. Those of points take two
// bytes for each end, and the row has their number. Those of keys begin with two
// bytes for how many follow; then come from and to of each, behind their length.

// appendHead appends the ranges of an announcement.
func appendHead(to []byte, a *Announcement) []byte {
	if !a.Keys.Empty() {
		return appendKeys(to, a.Keys)
	}
	for r := range a.Ranges.All() {
		to = binary.BigEndian.AppendUint16(to, uint16(r.From))
		to = binary.BigEndian.AppendUint16(to, uint16(r.To))
	}
	return to
}

func appendKeys(to []byte, keys record.KeyRanges) []byte {
	at := len(to)
	to = append(to, 0, 0)
	for r := range keys.All() {
		to = append(append(to, byte(len(r.From))), r.From...)
		to = append(append(to, byte(len(r.To))), r.To...)
	}
	binary.BigEndian.PutUint16(to[at:], uint16(len(to)-at-2))
	return to
}

// head is how many bytes the ranges take.
func (r *row) head() int {
	if r.flags&flagKeys != 0 {
		return 2 + int(binary.BigEndian.Uint16(r.blob))
	}
	return 4 * int(r.ranges)
}

func (r *row) record() []byte { return r.blob[r.head():len(r.blob):len(r.blob)] }

// covers tells whether the row is for what a query asks. One without ranges is for
// everything.
func (r *row) covers(q *Query) bool {
	switch keyed := r.flags&flagKeys != 0; {
	case q.HasPoint:
		return !keyed && r.coversPoint(q.Point)
	case q.Key != "":
		return keyed && r.coversKey(q.Key) || !keyed && r.ranges == 0
	}
	return true
}

func (r *row) coversPoint(point record.Point) bool {
	if r.ranges == 0 {
		return true
	}
	for span := r.blob[:4*int(r.ranges)]; len(span) > 0; span = span[4:] {
		if binary.BigEndian.Uint16(span) <= uint16(point) && uint16(point) <= binary.BigEndian.Uint16(span[2:]) {
			return true
		}
	}
	return false
}

func (r *row) coversKey(key string) bool {
	for rest := r.blob[2:r.head()]; len(rest) > 0; {
		var from, to []byte
		from, rest = rest[1:1+rest[0]], rest[1+rest[0]:]
		to, rest = rest[1:1+rest[0]], rest[1+rest[0]:]
		if string(from) <= key && (len(to) == 0 || key < string(to)) {
			return true
		}
	}
	return false
}

// shards are how many the ranges of a narrow row lie in.
func (r *row) shards() int {
	n, next := 0, 0
	for span := r.blob[:4*int(r.ranges)]; len(span) > 0; span = span[4:] {
		from, to := max(next, int(span[0])), int(span[2])
		n += max(0, to+1-from)
		next = max(next, to+1)
	}
	return n
}

// soundHead tells whether the ranges of a row from a snapshot can be read.
func (r *row) soundHead() bool {
	if r.flags&flagKeys == 0 {
		return r.ranges <= mostRanges && 4*int(r.ranges) <= len(r.blob)
	}
	if r.ranges != 0 || len(r.blob) < 2 || r.head() > min(mostHead, len(r.blob)) {
		return false
	}
	for rest := r.blob[2:r.head()]; len(rest) > 0; {
		for range 2 {
			if len(rest) == 0 || len(rest) < 1+int(rest[0]) {
				return false
			}
			rest = rest[1+rest[0]:]
		}
	}
	return true
}
