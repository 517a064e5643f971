package resolver

import (
	"context"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"go.uber.org/zap"

	"github.com/souk-p2p/souk/internal/actor"
	"github.com/souk-p2p/souk/internal/carrier"
	"github.com/souk-p2p/souk/ledger"
	"github.com/souk-p2p/souk/resolver/wire"
)

// verdict is what became of a task.
type verdict struct {
	task task
	good bool
	said bool // the Consumer has not panicked
}

// perform does what the state and the lines ask for.
func (s *shell) perform(ctx context.Context, now time.Time) {
	s.enact(now)
	if s.lose(now) {
		s.enact(now) // No request follows from that before the next turn.
	}
	out := s.lines.take()
	for _, p := range out.held {
		s.service.Hold(p)
	}
	for _, d := range out.dials {
		s.dial(ctx, d)
	}
	for _, w := range out.writes {
		s.streams.Write(w.stream, w.frames)
	}
	for _, id := range out.rests {
		s.streams.Rest(id)
	}
	for _, h := range out.hangUps {
		s.streams.Drop(h.stream, h.inOrder)
	}
	for _, p := range out.let {
		s.service.Release(p)
	}
	s.serveConsumer(ctx)
}

// lose tells the state who answers nothing of what was asked, and what was not asked at
// all, and reports whether there was any.
func (s *shell) lose(now time.Time) bool {
	lost, denied := s.lines.takeLost(), s.denied
	for _, p := range lost {
		s.state.parted(now, p)
	}
	for _, id := range denied {
		s.state.unsent(now, id)
	}
	s.denied = nil
	return len(lost)+len(denied) > 0
}

// enact does what the state asks for.
func (s *shell) enact(now time.Time) {
	out := s.state.take()
	s.record(out.measures)
	for _, b := range out.blocks {
		s.log.Info("peer is not asked any more", zap.Stringer("peer", b.peer), zap.Stringer("fault", b.fault),
			zap.Bool("invalid value", b.hard), zap.Time("until", b.until))
		s.lines.cut(b.peer)
	}
	for _, p := range out.cuts {
		s.lines.cut(p)
	}
	for _, e := range out.endings {
		s.meter.ended(e)
	}
	for _, j := range out.jobs {
		s.desk.add(task{key: j.key, parts: j.parts})
	}
	for _, f := range out.failures {
		s.desk.add(task{key: f.key, why: f.why})
	}
	for _, r := range out.replies {
		s.callers.Remove(r.caller).reply <- r
	}
	for _, a := range out.asks {
		s.ask(now, a)
	}
}

// ask has a request written. Rules may have come that deny a peer with a stream.
func (s *shell) ask(now time.Time, a ask) {
	if s.service.Denied(a.to) {
		s.denied = append(s.denied, a.id)
		return
	}
	frame, err := wire.AppendFrame(nil, &wire.Request{ID: wire.ID(a.id), Key: string(a.key), Part: int(a.part), List: a.list})
	if err != nil {
		panic(err) // Keys were looked at, and the state knows the rules.
	}
	s.lines.ask(now, a.to, frame)
}

func (s *shell) dial(ctx context.Context, d dialing) {
	to := peer.AddrInfo{ID: d.to, Addrs: s.infos[d.to].Addrs}
	s.streams.Open(ctx, d.stream, func(ctx context.Context) (carrier.Stream, error) {
		st, err := s.service.Open(ctx, to, s.protocol)
		if err != nil {
			return nil, err
		}
		return st, nil
	})
}

// record tells the ledger what was seen of peers.
func (s *shell) record(measures []measure) {
	deltas := make([]ledger.Delta, 0, len(measures))
	for _, m := range measures {
		d := ledger.Delta{Peer: m.peer, Fault: m.fault}
		switch {
		case m.performance == forgotten:
			d.Resolver = ledger.NotResolved
			delete(s.measured, m.peer)
		case m.performance > 0:
			d.Resolver = m.performance
			s.measured[m.peer] = struct{}{}
		}
		deltas = append(deltas, d)
	}
	s.service.Record(deltas...)
}

// serveConsumer has tasks begun for which there is room.
func (s *shell) serveConsumer(ctx context.Context) {
	for {
		t, some := s.desk.begin()
		if !some {
			return
		}
		s.tellers.Go(func() { s.verdicts <- s.tell(ctx, t) }) // Has room: a place is reserved.
	}
}

// tell gives the Consumer a task, in a goroutine of its own.
func (s *shell) tell(ctx context.Context, t task) verdict {
	v := verdict{task: t}
	err := actor.Guard("consumer", s.service.Panicked, func() error {
		if t.why != nil {
			s.consumer.Failed(t.key, t.why)
		} else {
			v.good = s.consumer.Deliver(ctx, t.key, whole(t.parts))
		}
		return nil
	})
	v.said = err == nil
	return v
}
