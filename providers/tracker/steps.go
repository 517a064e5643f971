//go:build simulation

package tracker

import (
	"net/netip"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/providers/record"
	"github.com/souk-p2p/souk/providers/wire"
)

// Steps is the tracker without its goroutine and without streams: a simulation
// hands it one request after the other.
type Steps struct {
	state  *state
	verify func(*record.Signed) error
}

// NewSteps returns a tracker that knows nothing yet. Verify stands in for the
// signatures of records; nil checks them.
func NewSteps(limits Limits, seed uint64, verify func(*record.Signed) error) (*Steps, error) {
	table, err := NewTable(limits, seed)
	if err != nil {
		return nil, err
	}
	if verify == nil {
		verify = (*record.Signed).Verify
	}
	return &Steps{newState(table, nil, 0, time.Time{}), verify}, nil
}

// Stat returns the statistics of the table.
func (s *Steps) Stat() TableStat { return s.state.table.Stat() }

// Tick does what time asks for.
func (s *Steps) Tick(now time.Time) {
	for more := true; more; more = s.state.next.Equal(now) {
		s.state.tick(now)
	}
}

// Answer answers a request of a peer that is seen at an address, in a frame of so
// many bytes. It is nil where there is no answer.
func (s *Steps) Answer(now time.Time, from peer.ID, origin netip.Addr, m wire.Message, size int) wire.Message {
	const one streamID = 1 // Whoever speaks has it.
	s.state.streams[one] = &stream{peer: from, origin: origin}
	switch m := m.(type) {
	case *wire.Announce:
		r := &wire.Receipt{ID: m.ID}
		if refusal := s.announce(now, from, origin, m.Record, size); refusal != nil {
			r.Refusals = append(r.Refusals, *refusal)
		}
		return r
	case *wire.Touch:
		r := &wire.Receipt{ID: m.ID}
		for i, v := range s.state.touch(now, one, m.Rows, size) {
			if refusal, refused := touchRefusal(v, i); refused {
				r.Refusals = append(r.Refusals, refusal)
			}
		}
		return r
	case *wire.Query:
		q := queryOf(m.About, m.K)
		q.Peer, q.Origin, q.Size, q.Seed = from, origin, size, m.Seed
		a := s.state.table.Query(now, q, nil)
		return &wire.Reply{ID: m.ID, Token: tokenBytes(a.Token), Refusal: refusalOf(a.Verdict), Rows: wire.FitRows(rowsOf(a.Rows))}
	case *wire.Feedback:
		reports, samples := reportsOf(m.Peers)
		s.state.feedback(now, one, tokenOf(m.Token), reports, samples, size)
	}
	return nil
}

// announce takes a record as a stream's goroutine does: what costs nothing first.
func (s *Steps) announce(now time.Time, from peer.ID, origin netip.Addr, raw []byte, size int) *wire.Refusal {
	signed, err := record.Parse(raw)
	if err == nil {
		err = signed.CheckAnnounced(from, now, 0)
	}
	if err != nil {
		return &wire.Refusal{Code: wire.CodeInvalid}
	}
	a := announcementOf(signed, origin)
	c := claimOf(a, size)
	if v := s.state.table.MayAnnounce(now, c); v.Refusal != Accepted {
		return refusalOf(v)
	}
	if s.verify(signed) != nil {
		return &wire.Refusal{Code: wire.CodeSignature}
	}
	return refusalOf(s.state.table.Announce(now, a))
}
