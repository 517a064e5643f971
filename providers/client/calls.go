package client

import (
	"context"
	"errors"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/providers/record"
	"github.com/souk-p2p/souk/providers/wire"
)

// Query asks a tracker who holds a namespace; the client chooses q.ID. It blocks
// until the answer comes, ctx ends, or for 30 s. The reply has no more rows than
// q.K, as they came: what is in them is for the caller to check and verify. It may
// be a refusal, without rows. It returns a [*CallError].
func (c *Client) Query(ctx context.Context, tracker peer.ID, q wire.Query) (*wire.Reply, error) {
	reply, err := c.query(ctx, tracker, q)
	return reply, failed(tracker, err)
}

func (c *Client) query(ctx context.Context, tracker peer.ID, q wire.Query) (*wire.Reply, error) {
	l, err := c.lineTo(tracker)
	if err != nil {
		return nil, err
	}
	q.K = min(max(q.K, 0), wire.MaxRows)
	x := &exchange{kind: wire.KindReply, make: func(id wire.RequestID) wire.Message {
		q := q
		q.ID = id
		return &q
	}}
	m, err := l.ask(ctx, x)
	if err != nil {
		return nil, err
	}
	reply := m.(*wire.Reply)
	switch {
	case reply.Refusal != nil:
		reply.Rows = nil
	case len(reply.Rows) > q.K:
		return nil, x.stream.broke(faultf("%d rows: %d were asked for", len(reply.Rows), q.K))
	}
	l.answered(x)
	return reply, nil
}

// Announce hands a signed record to a tracker, and blocks as Query does. It returns
// the refusal of the tracker, nil when it has taken the record. Signed belongs to
// the client from then on. Apart from a [*record.Error] for what is no record, it
// returns a [*CallError].
func (c *Client) Announce(ctx context.Context, tracker peer.ID, signed []byte) (*wire.Refusal, error) {
	s, err := record.Parse(signed)
	if err != nil {
		return nil, err
	}
	refusal, err := c.announce(ctx, tracker, s)
	return refusal, failed(tracker, err)
}

func (c *Client) announce(ctx context.Context, tracker peer.ID, s *record.Signed) (*wire.Refusal, error) {
	l, err := c.lineTo(tracker)
	if err != nil {
		return nil, err
	}
	x := &exchange{kind: wire.KindReceipt, make: func(id wire.RequestID) wire.Message {
		return &wire.Announce{ID: id, Record: s.Bytes()}
	}}
	refusals, err := l.tell(ctx, x, 1)
	if err != nil {
		return nil, err
	}
	if len(refusals) > 0 && !(x.again && isStored(refusals[0], s.Record())) {
		return &refusals[0], nil
	}
	l.announced(s.Record())
	return nil, nil
}

// isStored reports whether a refusal says that the tracker has the very record
// already: it took it on a stream that ended before it said so.
func isStored(refusal wire.Refusal, r *record.Record) bool {
	return refusal.Code == wire.CodeSequence && refusal.Stored == r.Sequence
}

// tell sends a request whose answer is a receipt about as many items, and returns
// what was refused.
func (l *line) tell(ctx context.Context, x *exchange, items int) ([]wire.Refusal, error) {
	m, err := l.ask(ctx, x)
	if err != nil {
		return nil, err
	}
	refusals := m.(*wire.Receipt).Refusals
	if len(refusals) > items {
		return nil, x.stream.broke(faultf("%d refusals of %d items", len(refusals), items))
	}
	for _, r := range refusals {
		if r.Item < 0 || r.Item >= items {
			return nil, x.stream.broke(faultf("refusal of item %d of %d", r.Item, items))
		}
	}
	l.answered(x)
	return refusals, nil
}

// Touch keeps rows at a tracker alive, at most [wire.MaxTouches], and blocks as
// Query does. It returns what was refused, by the position in rows; the others are
// alive. It returns a [*CallError].
func (c *Client) Touch(ctx context.Context, tracker peer.ID, rows []wire.Touched) ([]wire.Refusal, error) {
	refusals, err := c.touch(ctx, tracker, rows)
	return refusals, failed(tracker, err)
}

func (c *Client) touch(ctx context.Context, tracker peer.ID, rows []wire.Touched) ([]wire.Refusal, error) {
	l, err := c.lineTo(tracker)
	if err != nil {
		return nil, err
	}
	x := &exchange{kind: wire.KindReceipt, make: func(id wire.RequestID) wire.Message {
		return &wire.Touch{ID: id, Rows: rows}
	}}
	refusals, err := l.tell(ctx, x, len(rows))
	if err == nil {
		l.touched(rows, refusals)
	}
	return refusals, err
}

// Feedback says how the peers of a reply turned out. It returns when that is on
// its way; there is no answer. It returns a [*CallError].
func (c *Client) Feedback(ctx context.Context, tracker peer.ID, f wire.Feedback) error {
	l, err := c.lineTo(tracker)
	if err != nil {
		return failed(tracker, err)
	}
	frame, err := wire.AppendFrame(nil, &f)
	if err != nil {
		return failed(tracker, err)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, answerTime, ErrNoAnswer)
	defer cancel()
	s, err := l.open(ctx)
	if err == nil {
		err = s.say(ctx, frame)
	}
	return failed(tracker, err)
}

// Subscribe has a tracker tell of new rows, and calls notice with them, in the
// caller's goroutine and one after the other, until ctx or the stream ends; then
// it returns why, in a [*CallError]. A [*RefusedError] is in it when the tracker
// does not want to. Rows are as they came, like those of a reply. While notice runs, one
// notice waits; what comes then is left out, and the next that is told has More.
func (c *Client) Subscribe(ctx context.Context, tracker peer.ID, about wire.About, notice func(wire.Notify)) error {
	return failed(tracker, c.subscribe(ctx, tracker, about, notice))
}

func (c *Client) subscribe(ctx context.Context, tracker peer.ID, about wire.About, notice func(wire.Notify)) error {
	l, err := c.lineTo(tracker)
	if err != nil {
		return err
	}
	sub := &subscription{notices: make(chan *wire.Notify, unread)}
	x := &exchange{kind: wire.KindReceipt, sub: sub, make: func(id wire.RequestID) wire.Message {
		return &wire.Subscribe{ID: id, About: about}
	}}
	defer func() {
		if x.stream != nil {
			x.stream.unsubscribe(sub)
		}
	}()
	refusals, err := l.tell(ctx, x, 1)
	switch {
	case err != nil:
		return err
	case len(refusals) > 0:
		x.stream.takeBack(sub.id) // There is nothing to end.
		return &RefusedError{refusals[0]}
	}
	l.subscribed(1)
	defer l.subscribed(-1)
	return follow(ctx, x.stream, sub, notice)
}

// follow passes the notices of a subscription on.
func follow(ctx context.Context, s *stream, sub *subscription, notice func(wire.Notify)) error {
	for {
		select {
		case n := <-sub.notices:
			n.More = s.leftOut(sub) || n.More
			notice(*n)
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-s.done:
			return s.why()
		}
	}
}

// failed wraps what became of a call.
func failed(tracker peer.ID, err error) error {
	if err == nil || errors.As(err, new(*CallError)) {
		return err
	}
	return &CallError{tracker, err}
}
