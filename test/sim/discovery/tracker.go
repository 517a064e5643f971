//go:build simulation

package discovery

import (
	"encoding/binary"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/providers/record"
	"github.com/souk-p2p/souk/providers/tracker"
	"github.com/souk-p2p/souk/providers/wire"
)

// server is a tracker: the product's table, and what passed.
type server struct {
	id    peer.ID
	who   uint32 // beside the peers
	table *tracker.Table
	empty int // bytes of the table without rows
	keys  keys
	liar  bool
	up    bool
	lies  map[record.Namespace][][]byte // records of those who are dead, which a liar shows
	into  []tracker.Candidate
	passed
}

// passed counts what a tracker was sent and what it sent.
type passed struct {
	messages, bytes int // in and out
	announces       int
	touches         int
	queries         int
	feedbacks       int
	refused         int
	rows, records   int // that were taken, and the bytes of their records
}

// count adds a message and its answer.
func (p *passed) count(ms ...wire.Message) {
	var room [1 << 10]byte
	for _, m := range ms {
		frame, err := wire.AppendFrame(room[:0], m)
		if err != nil {
			panic(err) // A message of our own.
		}
		p.messages++
		p.bytes += len(frame)
	}
}

// announce takes a signed record, as the reader of a stream and the actor do: what
// costs nothing is looked at first.
func (t *server) announce(now time.Time, who uint32, id peer.ID, raw []byte) {
	t.announces++
	code, refused := t.take(now, who, id, raw)
	receipt := &wire.Receipt{ID: 1}
	if refused {
		t.refused++
		receipt.Refusals = []wire.Refusal{{Code: code}}
	}
	t.count(&wire.Announce{ID: 1, Record: raw}, receipt)
}

func (t *server) take(now time.Time, who uint32, id peer.ID, raw []byte) (wire.Code, bool) {
	signed, err := record.Parse(raw)
	if err != nil || signed.CheckAnnounced(id, now, 0) != nil {
		return wire.CodeInvalid, true
	}
	r, from := signed.Record(), addr(who)
	claim := tracker.Claim{
		Peer: id, Origin: from, Namespace: string(r.Namespace), Ranges: r.Ranges, Withdraws: r.Withdrawn(), Seq: r.Sequence, Size: len(raw),
	}
	if v := t.table.MayAnnounce(now, claim); v.Refusal != tracker.Accepted {
		return wire.CodeRate, true
	}
	if t.keys.verify(signed) != nil {
		return wire.CodeSignature, true
	}
	verified, unverified := r.Reach(from, record.ScopeOf(from))
	v := t.table.Announce(now, tracker.Announcement{
		Peer: id, Namespace: string(r.Namespace), Ranges: r.Ranges, Complete: r.Complete, Roles: tracker.Roles(r.Roles),
		Capacity: r.Capacity, Seq: r.Sequence, Issued: r.Issued, TTL: r.TTL, Record: raw, Origin: from,
		Verified: verified, Unverified: unverified,
	})
	if v.Refusal != tracker.Accepted {
		return wire.CodeFull, true
	}
	rows := rowsOf(r.Ranges)
	t.records, t.rows = t.records+rows*len(raw), t.rows+rows
	return 0, false
}

// touch keeps a row, and reports whether there was one.
func (t *server) touch(now time.Time, who uint32, id peer.ID, row wire.Touched) bool {
	t.touches++
	known := t.table.Touch(now, id, addr(who), string(row.Namespace), row.Sequence).Refusal == tracker.Accepted
	receipt := &wire.Receipt{ID: 1}
	if !known {
		receipt.Refusals = []wire.Refusal{{Code: wire.CodeUnknownRow}}
	}
	t.count(&wire.Touch{ID: 1, Rows: []wire.Touched{row}}, receipt)
	return known
}

// query answers, or lies.
func (t *server) query(now time.Time, who uint32, id peer.ID, q wire.Query) *wire.Reply {
	t.queries++
	reply := &wire.Reply{ID: q.ID}
	if t.liar {
		for _, raw := range t.lies[q.Namespace] {
			reply.Rows = append(reply.Rows, wire.Row{Record: raw, Verified: 1, Score: wire.ScoreGood})
		}
		reply.Rows = reply.Rows[:min(len(reply.Rows), q.K)]
	} else {
		t.answer(now, who, id, q, reply)
	}
	t.count(&q, reply)
	return reply
}

func (t *server) answer(now time.Time, who uint32, id peer.ID, q wire.Query, reply *wire.Reply) {
	ask := tracker.Query{
		Peer: id, Origin: addr(who), Namespace: string(q.Namespace), Roles: tracker.Roles(q.Roles), K: uint64(q.K), Seed: q.Seed, Size: 64,
	}
	if q.Point != nil {
		ask.Point, ask.HasPoint = *q.Point, true
	}
	a := t.table.Query(now, ask, t.into[:0])
	t.into = a.Rows
	if a.Refusal != tracker.Accepted {
		t.refused++
		reply.Refusal = &wire.Refusal{Code: wire.CodeRate, RetryAfter: a.After}
		return
	}
	for _, c := range a.Rows {
		reply.Rows = append(reply.Rows, wire.Row{Record: c.Record, Verified: c.Verified, Unverified: c.Unverified, Age: c.Age})
	}
	if a.Token != 0 {
		reply.Token = binary.BigEndian.AppendUint64(nil, a.Token)
	}
}

// feedback takes what is said of an answer.
func (t *server) feedback(now time.Time, who uint32, id peer.ID, f wire.Feedback) {
	t.feedbacks++
	t.count(&f)
	if t.liar || len(f.Token) != 8 {
		return
	}
	results := map[wire.Outcome]tracker.Result{
		wire.OutcomeDead: tracker.Dead, wire.OutcomeEmpty: tracker.Empty, wire.OutcomeServed: tracker.Served,
	}
	var reports []tracker.Report
	for _, j := range f.Peers {
		reports = append(reports, tracker.Report{Peer: j.Peer, Result: results[j.Outcome]})
	}
	t.table.Feedback(now, id, addr(who), binary.BigEndian.Uint64(f.Token), reports, nil)
}

// rowsOf is how many rows a record makes.
func rowsOf(r record.Ranges) int {
	if !r.Narrow() {
		return 1
	}
	return len(slices.Collect(r.Shards()))
}

// perRow is how much memory a row takes beside its record, and how many there are.
func (t *server) perRow() (bytes, rows int) {
	s := t.table.Stat()
	if s.Rows == 0 {
		return 0, 0
	}
	return (s.Bytes-t.empty)/s.Rows - t.records/t.rows, s.Rows
}
