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

// server is a tracker, and what passed.
type server struct {
	id    peer.ID
	who   uint32 // beside the peers
	steps *tracker.Steps
	empty int // bytes of the table without rows
	liar  bool
	up    bool
	lost  uint64                        // how often who was connected to it has lost it
	lies  map[record.Namespace][][]byte // records of those who are dead, which a liar shows

	passed
	records, rows int // bytes of records that were taken, once for each of their rows, and the rows
}

// passed counts what a tracker was sent and what it sent.
type passed struct{ Messages, Bytes int }

// answer takes a request in its frame and returns the answer, if there is one.
func (t *server) answer(now time.Time, who uint32, id peer.ID, m wire.Message) wire.Message {
	size := t.count(m)
	var answer wire.Message
	switch q, asks := m.(*wire.Query); {
	case t.liar && asks:
		answer = t.lie(q)
	default:
		answer = t.steps.Answer(now, id, addr(who), m, size)
	}
	if answer != nil {
		t.count(answer)
	}
	return answer
}

// count adds a message, and returns how long its frame is.
func (t *server) count(m wire.Message) int {
	var room [4 << 10]byte
	frame, err := wire.AppendFrame(room[:0], m)
	if err != nil {
		panic(err) // A message of our own.
	}
	t.Messages++
	t.Bytes += len(frame)
	return len(frame)
}

// lie names as many as are asked for of those who are dead.
func (t *server) lie(q *wire.Query) *wire.Reply {
	dead := t.lies[q.Namespace]
	reply := &wire.Reply{ID: q.ID}
	for _, raw := range dead[:min(len(dead), q.K)] {
		reply.Rows = append(reply.Rows, wire.Row{Record: raw, Verified: 1, Score: wire.ScoreGood})
	}
	return reply
}

// announce hands over a record, of which there are to be so many rows.
func (t *server) announce(now time.Time, who uint32, id peer.ID, raw []byte, rows int) []wire.Refusal {
	receipt := t.answer(now, who, id, &wire.Announce{ID: 1, Record: raw}).(*wire.Receipt)
	if len(receipt.Refusals) == 0 {
		t.records, t.rows = t.records+rows*len(raw), t.rows+rows
	}
	return receipt.Refusals
}

// touch keeps a row, and reports whether there was one.
func (t *server) touch(now time.Time, who uint32, id peer.ID, row wire.Touched) bool {
	receipt := t.answer(now, who, id, &wire.Touch{ID: 1, Rows: []wire.Touched{row}}).(*wire.Receipt)
	return !slices.ContainsFunc(receipt.Refusals, func(r wire.Refusal) bool { return r.Code == wire.CodeUnknownRow })
}

// beside is how much memory the rows take beside their records, and how many
// there are.
func (t *server) beside() (bytes, rows int) {
	s := t.steps.Stat()
	if s.Rows == 0 {
		return 0, 0
	}
	return s.Bytes - t.empty - s.Rows*t.records/t.rows, s.Rows
}
