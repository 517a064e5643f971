package tracker

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/providers/record"
)

// Errors of [Table.Restore].
var (
	ErrVersion = errors.New("tracker: snapshot of another version")
	ErrDamaged = errors.New("tracker: snapshot is damaged")
)

// snapshotMagic begins each chunk; its last byte is the version.
const snapshotMagic = "souktrk\x01"

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Snapshot returns the rows from a place on, in a chunk of about so many bytes
// that stands for itself, and the place of the next; 0 is the first place, and
// the end. Other calls may come in between: a row that stays is in one chunk. What
// is not kept are rates, watches, tokens and samples, which come back by themselves.
func (t *Table) Snapshot(from uint32, bytes int) (chunk []byte, next uint32) {
	chunk = append(chunk, snapshotMagic...)
	t.rows.each(handle(from), func(h handle, r *row) bool {
		if len(chunk) >= bytes {
			next = uint32(h)
			return false
		}
		chunk = t.appendRow(chunk, r)
		return true
	})
	return binary.BigEndian.AppendUint32(chunk, crc32.Checksum(chunk, castagnoli)), next
}

func (t *Table) appendRow(to []byte, r *row) []byte {
	from := r.group
	if !r.withdrawn() {
		from = t.groups.at(r.group).origin
	}
	to = appendText(to, t.spaces.at(r.space).name)
	to = appendText(to, string(t.announcers.at(r.announcer).peer()))
	to = appendText(to, string(r.blob))
	to = binary.BigEndian.AppendUint64(to, uint64(t.origins.at(from).prefix))
	to = binary.BigEndian.AppendUint64(to, r.seq)
	for _, v := range []uint32{r.born, r.expires, r.issued, r.scored} {
		to = binary.BigEndian.AppendUint32(to, v)
	}
	for _, v := range []uint16{r.ttl, uint16(r.score), uint16(r.verified), uint16(r.unverified)} {
		to = binary.BigEndian.AppendUint16(to, v)
	}
	return append(to, r.capacity, uint8(r.roles), r.ranges, r.flags)
}

func appendText(to []byte, text string) []byte {
	return append(binary.AppendUvarint(to, uint64(len(text))), text...)
}

// kept is a row as it is in a snapshot.
type kept struct {
	name string
	id   peer.ID
	from prefix
	row  row
}

// Restore takes the rows of a chunk whose time is not over and for which there is
// room; of two of a peer at a place the one with the higher sequence counts, and
// the one that is there when they are equal. A chunk that is not as it was written
// is refused as a whole.
func (t *Table) Restore(now time.Time, chunk []byte) (rows int, err error) {
	body := len(chunk) - crc32.Size
	switch {
	case body < len(snapshotMagic):
		return 0, fmt.Errorf("%w: %d bytes", ErrDamaged, len(chunk))
	case crc32.Checksum(chunk[:body], castagnoli) != binary.BigEndian.Uint32(chunk[body:]):
		return 0, fmt.Errorf("%w: wrong checksum", ErrDamaged)
	case string(chunk[:len(snapshotMagic)]) != snapshotMagic:
		return 0, ErrVersion
	}
	var all []kept
	for rest := chunk[len(snapshotMagic):body]; len(rest) > 0; {
		k, left, ok := readKept(rest)
		if !ok {
			return 0, fmt.Errorf("%w: row %d", ErrDamaged, len(all))
		}
		all, rest = append(all, k), left
	}
	for _, k := range all {
		if t.keep(second(now), k) {
			rows++
		}
	}
	return rows, nil
}

// reader takes fields off the front of bytes, and remembers when there were too few.
type reader struct {
	rest  []byte
	short bool
}

func (r *reader) take(n uint64) []byte {
	if r.short = r.short || n > uint64(len(r.rest)); r.short {
		return make([]byte, min(n, 8))
	}
	taken := r.rest[:n]
	r.rest = r.rest[n:]
	return taken
}

func (r *reader) text(most int) []byte {
	n, size := binary.Uvarint(r.rest)
	if size <= 0 || n > uint64(most) {
		r.short = true
		return nil
	}
	r.take(uint64(size))
	return r.take(n)
}

func (r *reader) number(bytes uint64) (n uint64) {
	for _, b := range r.take(bytes) {
		n = n<<8 | uint64(b)
	}
	return n
}

func readKept(from []byte) (kept, []byte, bool) {
	r := &reader{rest: from}
	k := kept{name: string(r.text(mostPlace)), id: peer.ID(r.text(mostPeerID))}
	k.row.blob = append([]byte(nil), r.text(mostHead+mostRecord)...)
	k.from, k.row.seq = prefix(r.number(8)), r.number(8)
	for _, field := range []*uint32{&k.row.born, &k.row.expires, &k.row.issued, &k.row.scored} {
		*field = uint32(r.number(4))
	}
	k.row.ttl, k.row.score = uint16(r.number(2)), points(r.number(2))
	k.row.verified, k.row.unverified = record.AddrSet(r.number(2)), record.AddrSet(r.number(2))
	k.row.capacity, k.row.roles = uint8(r.number(1)), Roles(r.number(1))
	k.row.ranges, k.row.flags = uint8(r.number(1)), uint8(r.number(1))
	return k, r.rest, !r.short && k.sound()
}

// sound tells whether the row could have been written by a table.
func (k *kept) sound() bool {
	r := &k.row
	inScore := r.score >= -mostScore*point && r.score <= mostScore*point
	return rightName(placeOf(k.name).Namespace) && rightPeer(k.id) && inScore && (r.withdrawn() && len(r.blob) == 0 && r.ranges == 0 ||
		!r.withdrawn() && r.soundHead() && len(r.record()) <= mostRecord)
}

// keep puts in one row of a snapshot.
func (t *Table) keep(now uint32, k kept) bool {
	longest := now + uint32(longestTTL/time.Second)
	if k.row.expires <= now || k.row.expires > longest || !t.newest(k) {
		return false
	}
	live, gone := 1, 0
	if k.row.withdrawn() {
		live, gone = 0, 1
	}
	if !t.inQuota(t.announcerOf(k.id), live, 0, -gone) || !t.makeRoom(k.name, k.id, k.from, cap(k.row.blob)) {
		return false
	}
	r := k.row
	r.announcer, r.space = t.announcerFor(k.id), t.spaceFor(k.name)
	r.born, r.scored = min(r.born, now), min(r.scored, now)
	r.sibling = t.announcers.at(r.announcer).rows
	h := t.rows.add(0, r)
	t.announcers.at(r.announcer).rows = h
	t.spaces.at(r.space).members++
	from := t.originFor(k.from)
	if r.withdrawn() {
		t.rows.at(h).group = from
		t.announcers.at(r.announcer).gone++
		t.stat.Withdrawn++
		t.enlist(h, from)
		t.wind(h)
	} else {
		t.lay(h, from)
	}
	t.note(h)
	return true
}

// newest tells whether nothing newer is known of the row, and forgets what is
// older.
func (t *Table) newest(k kept) bool {
	p := placeOf(k.name)
	for _, h := range t.kin(k.id, p.Namespace) {
		r := t.rows.at(h)
		if r.seq > k.row.seq || r.seq == k.row.seq && t.spaces.at(r.space).name == k.name {
			return false
		}
	}
	for _, h := range t.kin(k.id, p.Namespace) {
		if t.rows.at(h).seq < k.row.seq {
			t.forget(h)
		}
	}
	return true
}
