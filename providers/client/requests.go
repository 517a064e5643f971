package client

import (
	"context"
	"errors"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/internal/actor"
	"github.com/souk-p2p/souk/providers/record"
	"github.com/souk-p2p/souk/providers/wire"
)

// request is what the inbox of the actor holds.
type request interface{ isRequest() }

type (
	begin struct {
		caller  *caller
		tracker peer.ID
		message wire.Message   // the actor's from then on
		record  *record.Record // that is announced
	}
	giveUp struct {
		caller *caller
		late   bool
		cause  error
	}
	unsubscribe struct {
		caller *caller
		cause  error
	}
	add struct {
		trackers []peer.AddrInfo
		reply    chan<- error
	}
	pin struct {
		trackers []peer.AddrInfo
		reply    chan<- struct{}
	}
	listed struct {
		from  streamID
		list  *record.SignedTrackers
		fault error
	}
)

func (begin) isRequest()       {}
func (giveUp) isRequest()      {}
func (unsubscribe) isRequest() {}
func (add) isRequest()         {}
func (pin) isRequest()         {}
func (listed) isRequest()      {}

// caller is who waits for what becomes of a call. The actor never waits for it.
type caller struct {
	reply chan outcome // has room for the beginning and the end of a subscription
	slot  *actor.Slot[*wire.Notify]
}

func newCaller() *caller { return &caller{reply: make(chan outcome, 2)} }

const (
	answerTime = 30 * time.Second // of a call whose caller waits longer: what a frame may take on a bad link
	// verdictTime is how long a call waits for the actor behind its end, which waits
	// for nobody: so it is for an actor that hangs.
	verdictTime = time.Second
)

// Query asks a tracker who holds a namespace; the client chooses q.ID. It blocks
// until the answer comes, ctx ends, or for 30 s. The reply has no more rows than
// q.K, as they came: what is in them is for the caller to check and verify. It may
// be a refusal, without rows. It returns a [*CallError].
func (c *Client) Query(ctx context.Context, tracker peer.ID, q wire.Query) (*wire.Reply, error) {
	q.K = min(max(q.K, 0), wire.MaxRows)
	o := c.call(ctx, begin{caller: newCaller(), tracker: tracker, message: &q})
	if o.err != nil {
		return nil, failed(tracker, o.err)
	}
	return o.message.(*wire.Reply), nil
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
	refusals, err := c.tell(ctx, begin{
		caller: newCaller(), tracker: tracker, message: &wire.Announce{Record: s.Bytes()}, record: s.Record(),
	})
	if len(refusals) == 0 {
		return nil, err
	}
	return &refusals[0], nil
}

// Touch keeps rows at a tracker alive, at most [wire.MaxTouches], and blocks as
// Query does. It returns what was refused, by the position in rows; the others are
// alive. It returns a [*CallError].
func (c *Client) Touch(ctx context.Context, tracker peer.ID, rows []wire.Touched) ([]wire.Refusal, error) {
	return c.tell(ctx, begin{caller: newCaller(), tracker: tracker, message: &wire.Touch{Rows: rows}})
}

// tell makes a call whose answer is a receipt, and returns what was refused.
func (c *Client) tell(ctx context.Context, b begin) ([]wire.Refusal, error) {
	o := c.call(ctx, b)
	if o.err != nil {
		return nil, failed(b.tracker, o.err)
	}
	return o.message.(*wire.Receipt).Refusals, nil
}

// Feedback says how the peers of a reply turned out. It returns when that is on
// its way; there is no answer. It returns a [*CallError].
func (c *Client) Feedback(ctx context.Context, tracker peer.ID, f wire.Feedback) error {
	return failed(tracker, c.call(ctx, begin{caller: newCaller(), tracker: tracker, message: &f}).err)
}

// Subscribe has a tracker tell of new rows, and calls notice with them, in the
// caller's goroutine and one after the other, until ctx or the stream ends; then
// it returns why, in a [*CallError]. A [*RefusedError] is in it when the tracker
// does not want to. Rows are as they came, like those of a reply. While notice runs, one
// notice waits; what comes then is left out, and the next that is told has More.
func (c *Client) Subscribe(ctx context.Context, tracker peer.ID, about wire.About, notice func(wire.Notify)) error {
	me := newCaller()
	me.slot = actor.NewSlot[*wire.Notify]()
	o := c.call(ctx, begin{caller: me, tracker: tracker, message: &wire.Subscribe{About: about}})
	if o.err == nil {
		o.err = c.follow(ctx, me, notice)
	}
	return failed(tracker, o.err)
}

// follow passes the notices of a subscription on, and returns why it has ended.
func (c *Client) follow(ctx context.Context, me *caller, notice func(wire.Notify)) error {
	for {
		select {
		case n := <-me.slot.C():
			notice(*n)
		case o := <-me.reply:
			return o.err
		case <-c.loop.Done():
			return ErrClosed
		case <-ctx.Done():
			return c.leave(ctx, me, unsubscribe{me, context.Cause(ctx)}).err
		}
	}
}

// merge keeps the notice that was not read, and says that another was left out.
func merge(older, _ *wire.Notify) *wire.Notify {
	older.More = true
	return older
}

// call makes a call and waits for what becomes of it, or for ctx.
func (c *Client) call(ctx context.Context, b begin) outcome {
	ctx, cancel := context.WithTimeoutCause(ctx, answerTime, ErrNoAnswer)
	defer cancel()
	if ctx.Err() != nil {
		return outcome{err: context.Cause(ctx)} // The tracker is not to blame.
	}
	if err := c.inbox.Send(ctx, b); err != nil {
		return outcome{err: closed(err)}
	}
	if o, came := c.wait(ctx, b.caller); came {
		return o
	}
	return c.leave(ctx, b.caller, giveUp{b.caller, errors.Is(ctx.Err(), context.DeadlineExceeded), context.Cause(ctx)})
}

// leave says that the ctx of a call has ended, or the client. Whether something else
// came first is for the actor to say.
func (c *Client) leave(ctx context.Context, of *caller, says request) outcome {
	short, cancel := context.WithTimeout(context.WithoutCancel(ctx), verdictTime)
	defer cancel()
	err := c.inbox.Send(short, says)
	if o, came := c.wait(short, of); came {
		return o
	}
	if err != actor.ErrClosed {
		err = context.Cause(ctx)
	}
	return outcome{err: closed(err)}
}

// wait waits for what the actor says, or for ctx or the end of the actor.
func (c *Client) wait(ctx context.Context, of *caller) (o outcome, came bool) {
	select {
	case o = <-of.reply:
		return o, true
	case <-ctx.Done():
	case <-c.loop.Done():
	}
	select {
	case o = <-of.reply: // in the same moment
		return o, true
	default:
		return o, false
	}
}

// closed says that the actor has ended, in the words of this package.
func closed(err error) error {
	if errors.Is(err, actor.ErrClosed) {
		return ErrClosed
	}
	return err
}

// failed wraps what became of a call.
func failed(tracker peer.ID, err error) error {
	if err == nil {
		return nil
	}
	return &CallError{tracker, err}
}

// Add puts trackers into the set, as if they were pinned. Beyond 64 of them it
// refuses all with [ErrTooMany]. Before the client has started it waits for that.
func (c *Client) Add(trackers ...peer.AddrInfo) error {
	refused, err := actor.Ask(context.Background(), c.inbox, func(reply chan<- error) request { return add{trackers, reply} })
	if err != nil {
		return closed(err)
	}
	return refused
}

// Pin replaces the pinned trackers. Those that were added stay, and those of the list.
// Calls to a tracker that is in the set no more end with [ErrUnknown]. The client owns
// trackers. Before the client has started it waits for that.
func (c *Client) Pin(trackers ...peer.AddrInfo) error {
	_, err := actor.Ask(context.Background(), c.inbox, func(reply chan<- struct{}) request { return pin{trackers, reply} })
	return closed(err)
}

// Busy is the time that the actor has spent at work.
func (c *Client) Busy() time.Duration { return c.loop.Busy() }

// Load is how busy the actor is and what waits for it. It never waits for it.
func (c *Client) Load(now time.Time) actor.Load { return c.loop.Load(now) }

// Depth is the number of requests that wait.
func (c *Client) Depth() int { return c.inbox.Depth() }

// Turn is how long the actor has been at work on what it last received.
func (c *Client) Turn(now time.Time) time.Duration { return c.loop.Turn(now) }
