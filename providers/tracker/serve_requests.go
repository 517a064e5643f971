package tracker

import (
	"context"
	"errors"
	"time"

	"github.com/souk-p2p/souk/internal/actor"
	"github.com/souk-p2p/souk/providers/record"
	"github.com/souk-p2p/souk/providers/wire"
)

// answer answers one request.
func (v *serving) answer(ctx context.Context, m wire.Message) error {
	switch m := m.(type) {
	case *wire.Announce:
		return v.announce(ctx, m)
	case *wire.Touch:
		return v.touch(ctx, m)
	case *wire.Query:
		return v.query(ctx, m)
	case *wire.Feedback:
		return v.feedback(ctx, m)
	case *wire.Subscribe:
		return v.subscribe(ctx, m)
	case *wire.Unsubscribe:
		return v.unsubscribe(ctx, m)
	case *wire.GetTrackers:
		return v.trackers(ctx, m)
	}
	return nil
}

// answered answers a request about one thing, and pauses when there are too many.
func (v *serving) answered(ctx context.Context, id wire.RequestID, verdict Verdict) error {
	if err := v.receipt(ctx, id, refusalOf(verdict)); err != nil {
		return err
	}
	return v.pause(ctx, verdict)
}

// announce goes from cheap to dear: form, sender and clock, then what the table
// knows, then the signature.
func (v *serving) announce(ctx context.Context, m *wire.Announce) error {
	size := v.in.take()
	s, err := record.Parse(m.Record)
	if err == nil {
		err = s.CheckAnnounced(v.peer, time.Now(), 0)
	}
	if err != nil {
		return v.spoil(ctx, m.ID, err, size, false)
	}
	a := announcementOf(s, v.origin)
	verdict, err := v.ask(ctx, func(reply chan<- Verdict) request { return claim{claimOf(a, size), reply} })
	switch {
	case err != nil:
		return err
	case a.TTL == 0 && verdict.Refusal == RefusedUnknown:
		return v.receipt(ctx, m.ID, nil) // It is as if withdrawn.
	case verdict.Refusal != Accepted:
		return v.answered(ctx, m.ID, verdict)
	}
	if err := s.Verify(); err != nil {
		return v.spoil(ctx, m.ID, err, size, true)
	}
	verdict, err = v.ask(ctx, func(reply chan<- Verdict) request { return announce{a, reply} })
	if err != nil {
		return err
	}
	return v.answered(ctx, m.ID, verdict)
}

// spoil refuses a record for what is in it.
func (v *serving) spoil(ctx context.Context, id wire.RequestID, why error, size int, claimed bool) error {
	fault := record.FaultEncoding
	if e := (*record.Error)(nil); errors.As(why, &e) {
		fault = e.Fault
	}
	verdict, err := v.ask(ctx, func(reply chan<- Verdict) request { return spoiled{v, fault, size, claimed, reply} })
	switch {
	case err != nil:
		return err
	case verdict.Refusal != Accepted:
		return v.answered(ctx, id, verdict)
	}
	return v.receipt(ctx, id, &wire.Refusal{Code: wire.CodeFor(fault)})
}

func (v *serving) touch(ctx context.Context, m *wire.Touch) error {
	said, err := actor.Ask(ctx, v.tracker.inbox, func(reply chan<- []Verdict) request {
		return touch{v, m.Rows, v.in.take(), reply}
	})
	if err != nil {
		return err
	}
	receipt, wait := &wire.Receipt{ID: m.ID}, Verdict{}
	for i, verdict := range said {
		if refusal, refused := touchRefusal(verdict, i); refused {
			receipt.Refusals = append(receipt.Refusals, refusal)
			wait.After = max(wait.After, verdict.After)
		}
	}
	if err := v.write(ctx, receipt); err != nil {
		return err
	}
	return v.pause(ctx, wait)
}

func (v *serving) query(ctx context.Context, m *wire.Query) error {
	q := v.about(m.About, m.K)
	q.Seed = m.Seed
	answer, err := actor.Ask(ctx, v.tracker.inbox, func(reply chan<- Answer) request { return query{q, reply} })
	if err != nil {
		return err
	}
	r := &wire.Reply{ID: m.ID, Token: tokenBytes(answer.Token), Refusal: refusalOf(answer.Verdict)}
	if err := v.reply(ctx, r, rowsOf(answer.Rows)); err != nil {
		return err
	}
	return v.pause(ctx, answer.Verdict)
}

// about is what the peer of the stream asks.
func (v *serving) about(about wire.About, k int) Query {
	q := queryOf(about, k)
	q.Peer, q.Origin, q.Size = v.peer, v.origin, v.in.take()
	return q
}

// reply writes an answer with as many rows as there is room for.
func (v *serving) reply(ctx context.Context, r *wire.Reply, rows []wire.Row) error {
	r.Rows = wire.FitRows(rows)
	if sizeOf(r.Rows) > smallFrame {
		if v.tracker.mayWriteLong() {
			defer v.tracker.wroteLong()
		} else {
			r.Rows = fitRows(r.Rows, smallFrame)
			v.squeezed(ctx)
		}
	}
	return v.write(ctx, r)
}

func (v *serving) squeezed(ctx context.Context) {
	_ = v.tracker.inbox.Send(ctx, squeezed{}) // Fails only at the end, when nobody counts.
}

// mayWriteLong takes a place for a long frame, if there is one.
func (t *Tracker) mayWriteLong() bool {
	select {
	case t.long <- struct{}{}:
		return true
	default:
		return false
	}
}

func (t *Tracker) wroteLong() { <-t.long }

func (v *serving) feedback(ctx context.Context, m *wire.Feedback) error {
	reports, samples := reportsOf(m.Peers)
	verdict, err := v.ask(ctx, func(reply chan<- Verdict) request {
		return feedback{v, tokenOf(m.Token), reports, samples, v.in.take(), reply}
	})
	if err != nil {
		return err
	}
	return v.pause(ctx, verdict)
}

func (v *serving) subscribe(ctx context.Context, m *wire.Subscribe) error {
	q := v.about(m.About, 1)
	if q.K == 0 {
		return v.receipt(ctx, m.ID, &wire.Refusal{Code: wire.CodeNotServed})
	}
	verdict, err := v.ask(ctx, func(reply chan<- Verdict) request { return subscribe{v, m.ID, q, reply} })
	if err != nil {
		return err
	}
	if verdict.Refusal == Accepted {
		v.listen(ctx)
	}
	return v.answered(ctx, m.ID, verdict)
}

// listen starts the writer, and keeps the stream.
func (v *serving) listen(ctx context.Context) {
	v.stream.SetIdle(0)
	if v.writer == nil {
		v.writer = newWriter(v.stream, v.news)
		v.tracker.crew.Go(func() { v.writer.run(ctx) })
	}
}

func (v *serving) unsubscribe(ctx context.Context, m *wire.Unsubscribe) error {
	said, err := actor.Ask(ctx, v.tracker.inbox, func(reply chan<- unsubscribed) request {
		return unsubscribe{v, m.ID, v.in.take(), reply}
	})
	if err != nil {
		return err
	}
	if said.left == 0 {
		v.stream.SetIdle(wire.Idle)
	}
	return v.pause(ctx, said.verdict)
}

func (v *serving) trackers(ctx context.Context, m *wire.GetTrackers) error {
	list := v.tracker.list
	r := &wire.Trackers{ID: m.ID}
	newer := list.signed != "" && list.sequence > m.Known
	size := v.in.take()
	if newer {
		size += len(list.signed)
	}
	verdict, err := v.ask(ctx, func(reply chan<- Verdict) request { return charge{v, size, reply} })
	switch {
	case err != nil:
		return err
	case verdict.Refusal != Accepted:
		r.Refusal = refusalOf(verdict)
	case list.signed == "":
		r.Refusal = &wire.Refusal{Code: wire.CodeNotServed}
	case newer && !v.tracker.mayWriteLong():
		r.Refusal = &wire.Refusal{Code: wire.CodeUnavailable, RetryAfter: longestPause}
		v.squeezed(ctx)
	case newer:
		defer v.tracker.wroteLong()
		r.Signed = []byte(list.signed)
	}
	if err := v.write(ctx, r); err != nil {
		return err
	}
	return v.pause(ctx, verdict)
}
