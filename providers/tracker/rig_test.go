package tracker

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"iter"
	"net/netip"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/providers/record"
)

var start = time.Unix(1_800_000_000, 0)

// rig is a table with a clock, audited after every event.
type rig struct {
	t     testing.TB
	table *Table
	now   time.Time
	seq   uint64
	blind bool // too many rows to recount after each event
}

func newRig(t testing.TB, limits Limits) *rig {
	t.Helper()
	table, err := NewTable(limits, 1)
	require.NoError(t, err)
	return &rig{t: t, table: table, now: start}
}

// free are rates that do not matter.
var free = Rate{Announces: 1e9, Queries: 1e9, Bytes: 1e12}

func open() Limits { return Limits{TableBytes: 8 << 20, PeerRate: free, PrefixRate: free} }

func (r *rig) audit() {
	r.t.Helper()
	if !r.blind {
		require.NoError(r.t, r.table.Audit())
	}
}

// who is a peer with an ID as long as those of Ed25519 keys.
func who(n int) peer.ID {
	id := append([]byte{0, 36, 8, 1, 18, 32}, make([]byte, 32)...)
	binary.BigEndian.PutUint64(id[6:], uint64(n))
	return peer.ID(id)
}

// from is an address in the nth /24.
func from(n int) netip.Addr {
	return netip.AddrFrom4([4]byte{byte(n>>16) + 1, byte(n >> 8), byte(n), 7})
}

// row is the announcement of the nth peer, with an address of its own prefix.
func (r *rig) row(n int, namespace string) Announcement {
	r.seq++
	return Announcement{
		Peer: who(n), Namespace: namespace, Complete: true, Seq: r.seq, Issued: r.now, TTL: time.Hour,
		Record: fmt.Appendf(nil, "record of %d", n), Origin: from(n), Verified: 1,
	}
}

// announce does what the service does: the cheap check, then the announcement.
func (r *rig) announce(a Announcement) Verdict {
	r.t.Helper()
	c := Claim{Peer: a.Peer, Origin: a.Origin, Namespace: a.Namespace, Seq: a.Seq, Ranges: a.Ranges, Withdraws: a.TTL == 0, Size: len(a.Record)}
	v := r.table.MayAnnounce(r.now, c)
	if v.Refusal == Accepted {
		v = r.table.Announce(r.now, a)
	}
	r.audit()
	return v
}

func (r *rig) announced(as ...Announcement) {
	r.t.Helper()
	for _, a := range as {
		require.Equal(r.t, Verdict{}, r.announce(a))
	}
}

// spans are ranges of points, given by their ends.
func spans(ends ...record.Point) record.Ranges {
	var all []record.Range
	for i := 0; i < len(ends); i += 2 {
		all = append(all, record.Range{From: ends[i], To: ends[i+1]})
	}
	ranges, err := record.NewRanges(all...)
	if err != nil {
		panic(err)
	}
	return ranges
}

func keys(all ...record.KeyRange) record.KeyRanges {
	ranges, err := record.NewKeyRanges(all...)
	if err != nil {
		panic(err)
	}
	return ranges
}

const asking = 1 << 40 // a peer that has no rows

func (r *rig) ask(namespace string, k uint64, seed uint64) Answer {
	r.t.Helper()
	return r.query(Query{Peer: who(asking), Origin: from(1 << 20), Namespace: namespace, K: k, Seed: seed})
}

func (r *rig) query(q Query) Answer {
	r.t.Helper()
	answer := r.table.Query(r.now, q, nil)
	r.audit()
	return answer
}

func (r *rig) pass(d time.Duration) {
	r.t.Helper()
	r.now = r.now.Add(d)
	for r.table.Tick(r.now) {
		r.audit()
	}
	r.audit()
}

func peersOf(a Answer) []peer.ID {
	ids := make([]peer.ID, 0, len(a.Rows))
	for _, c := range a.Rows {
		ids = append(ids, c.Peer)
	}
	return ids
}

// chunks is a snapshot of the table.
func (r *rig) chunks(bytes int) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for from, more := uint32(0), true; more; more = from != 0 {
			var chunk []byte
			chunk, from = r.table.Snapshot(from, bytes)
			if !yield(chunk) {
				return
			}
		}
	}
}

// sealed makes a chunk of what the rows of one may be.
func sealed(rows []byte) []byte {
	chunk := append([]byte(snapshotMagic), rows...)
	return binary.BigEndian.AppendUint32(chunk, crc32.Checksum(chunk, castagnoli))
}
