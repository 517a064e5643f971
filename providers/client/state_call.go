package client

import (
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/providers/record"
	"github.com/souk-p2p/souk/providers/wire"
)

// call is a request that has not ended: it waits for the writer, then for its
// answer, and a subscription goes on from there.
type call struct {
	id      callID
	line    *line
	request wire.Message
	record  *record.Record // that it announces; nil when it announces nothing

	number wire.RequestID // on every stream that it is sent on
	frame  []byte
	stream *stream
	sent   time.Time // when the writer got it; zero while it waits for that
	again  bool      // the stream before has ended, in order and without an answer
	begun  bool      // a subscription that the tracker has taken
}

func (c *call) subscribes() bool { return c.request.Kind() == wire.KindSubscribe }

// waits reports whether an answer is to come to what was or will be sent.
func (c *call) waits() bool { return !c.begun && c.request.Kind() != wire.KindFeedback }

// begin begins a call.
func (s *state) begin(now time.Time, id callID, tracker peer.ID, request wire.Message, r *record.Record) {
	l := s.lines[tracker]
	c := &call{id: id, line: l, request: request, record: r}
	s.calls[id] = c
	if l == nil {
		s.end(c, nil, ErrUnknown)
		return
	}
	l.last++
	c.number = l.last
	setNumber(request, c.number)
	var err error
	if c.frame, err = wire.AppendFrame(nil, request); err != nil {
		s.end(c, nil, err) // The caller's mistake.
		return
	}
	s.send(now, c)
}

func setNumber(request wire.Message, n wire.RequestID) {
	switch m := request.(type) {
	case *wire.Announce:
		m.ID = n
	case *wire.Touch:
		m.ID = n
	case *wire.Query:
		m.ID = n
	case *wire.Subscribe:
		m.ID = n
	case *wire.GetTrackers:
		m.ID = n
	}
}

// send gives a call to the stream of its tracker, which is opened when there is
// none.
func (s *state) send(now time.Time, c *call) {
	l := c.line
	if now.Before(l.until) {
		s.end(c, nil, &DownError{l.until})
		return
	}
	if l.stream == nil {
		s.connect(l)
	}
	st := l.stream
	if c.subscribes() && st.subscriptions() == wire.MaxSubscriptions {
		s.end(c, nil, &RefusedError{wire.Refusal{Code: wire.CodeSubscriptions}})
		return
	}
	c.stream = st
	st.calls[c.number] = c
	st.row = append(st.row, framed{c.number, c.frame})
	s.seekList(now, l)
	s.flush(now, st)
}

// end ends a call, which is with no stream any more.
func (s *state) end(c *call, m wire.Message, err error) {
	delete(s.calls, c.id)
	a := answer{call: c.id, outcome: outcome{message: m, err: err}}
	if c.stream != nil {
		a.stream = c.stream.id
	}
	s.out.answers = append(s.out.answers, a)
}

// giveUp ends the wait for an answer, unless it has come. Late says that it took
// too long, which is a failure of the tracker. When it was the only one, and nothing
// has come since something was last said, the stream may be stuck: the next request
// has another.
func (s *state) giveUp(now time.Time, id callID, late bool, cause error) {
	c := s.calls[id]
	if c == nil || c.begun {
		return
	}
	st := c.stream
	silent := st.heard.Before(st.said)
	if !c.sent.IsZero() {
		st.owed++
	}
	s.withdraw(now, c, cause)
	if !late || !c.waits() {
		return
	}
	if silent && !st.busy() {
		s.hangUp(now, st, errIdle)
	}
	s.down(now, c.line)
}

// unsubscribe ends a subscription, if it has not ended.
func (s *state) unsubscribe(now time.Time, id callID, cause error) {
	if c := s.calls[id]; c != nil {
		s.withdraw(now, c, cause)
	}
}

// withdraw ends a call of which the tracker need not hear, or hears that it has
// ended.
func (s *state) withdraw(now time.Time, c *call, cause error) {
	st := c.stream
	delete(st.calls, c.number)
	switch {
	case c.sent.IsZero():
		st.drop(c.number)
	case c.subscribes():
		s.sayUnsubscribe(now, st, c.number)
	}
	s.end(c, nil, cause)
	if c.begun {
		s.weigh(now, c.line)
	}
	s.rearm(now, st)
}

// answered ends a call with its answer, or begins a subscription. An error says what
// of the answer is against the rules; then the call goes on.
func (s *state) answered(now time.Time, c *call, m wire.Message) error {
	if fault := unfit(c.request, m); fault != nil {
		return fault
	}
	if m.Kind() != wire.KindTrackers { // Which count once they were verified.
		s.answeredIn(c.line, now.Sub(c.sent))
	}
	switch m := m.(type) {
	case *wire.Reply:
		if m.Refusal != nil {
			m.Rows = nil
		}
	case *wire.Receipt:
		s.receipt(now, c, m)
	}
	s.settle(c, m)
	s.rearm(now, c.stream)
	return nil
}

// receipt notes what the tracker has of ours from now on.
func (s *state) receipt(now time.Time, c *call, m *wire.Receipt) {
	switch request := c.request.(type) {
	case *wire.Announce:
		announced(now, c, m)
	case *wire.Touch:
		c.line.stake.touched(now, request.Rows, m.Refusals)
	case *wire.Subscribe:
		c.begun = len(m.Refusals) == 0
	}
	s.weigh(now, c.line)
}

// settle gives an answer to its call.
func (s *state) settle(c *call, m wire.Message) {
	if c.begun {
		s.out.answers = append(s.out.answers, answer{call: c.id, begins: true, outcome: outcome{message: m}})
		return
	}
	delete(c.stream.calls, c.number)
	if c.subscribes() {
		s.end(c, nil, &RefusedError{m.(*wire.Receipt).Refusals[0]})
		return
	}
	s.end(c, m, nil)
}

// announced notes what became of an announcement. That the tracker has the very
// record already is no refusal: it took it on a stream that ended before it said so.
func announced(now time.Time, c *call, receipt *wire.Receipt) {
	stored := func(r wire.Refusal) bool { return r.Code == wire.CodeSequence && r.Stored == c.record.Sequence }
	if c.again {
		receipt.Refusals = slices.DeleteFunc(receipt.Refusals, stored)
	}
	if len(receipt.Refusals) == 0 {
		c.line.stake.announced(now, c.record)
	}
}

// unfit says why a message cannot be the answer to a request.
func unfit(request, m wire.Message) error {
	kind, items := wire.KindReceipt, 1
	switch request := request.(type) {
	case *wire.Query:
		kind = wire.KindReply
		if reply, ok := m.(*wire.Reply); ok && reply.Refusal == nil && len(reply.Rows) > request.K {
			return faultf("%d rows: %d were asked for", len(reply.Rows), request.K)
		}
	case *wire.GetTrackers:
		kind = wire.KindTrackers
	case *wire.Touch:
		items = len(request.Rows)
	}
	if m.Kind() != kind {
		return faultf("%s in the place of %s", m.Kind(), kind)
	}
	refusals := refusalsOf(m)
	if len(refusals) > items {
		return faultf("%d refusals of %d items", len(refusals), items)
	}
	for _, r := range refusals {
		if r.Item < 0 || r.Item >= items {
			return faultf("refusal of item %d of %d", r.Item, items)
		}
	}
	return nil
}

func refusalsOf(m wire.Message) []wire.Refusal {
	if receipt, ok := m.(*wire.Receipt); ok {
		return receipt.Refusals
	}
	return nil
}
