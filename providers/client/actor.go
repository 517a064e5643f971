package client

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"go.uber.org/zap"

	"github.com/souk-p2p/souk/internal/actor"
	"github.com/souk-p2p/souk/internal/carrier"
	"github.com/souk-p2p/souk/providers/wire"
)

// Config is what a client needs. Network and Self are required.
type Config struct {
	Network  Network
	Self     peer.ID         // in no row, and no tracker of the set unless it is one
	Tracker  bool            // Self is a tracker: Network leads to it like to others
	Pinned   []peer.AddrInfo // trackers that are in the set whatever a list says
	ListKey  peer.ID         // whose signed list of trackers is believed; empty for none
	Seed     uint64          // of what is left to chance; zero draws it
	Logger   *zap.Logger     // gets Warn when a tracker breaks the rules; default silent
	Fail     func(error)     // told when the actor broke; may be nil
	Panicked func(error)     // told of a panic, which ends the stream that it was about; may be nil
}

// inboxDepth lets a burst of finds and announcements begin without waiting for each
// other; a larger one would only hide a slow client.
const inboxDepth = 64

// openTime is what it may take to connect to a tracker and open a stream.
const openTime = 20 * time.Second

// holdTag is under what the connection manager protects the connections to
// trackers.
const holdTag = "souk-tracker"

// name is that of the actor, under which panics of others count, too.
const name = "trackers"

// Client is the actor that asks and tells trackers. Make it with [New].
type Client struct {
	cfg     Config
	loop    *actor.Loop
	inbox   *actor.Inbox[request]
	crew    *actor.Crew
	set     actor.Snapshot[[]Tracker]
	parted  *partings
	watches []*Watch // all that there will be, once it has started
	started bool
}

// New returns a client of the pinned trackers, which has not started. It must be
// called before the network starts.
func New(cfg Config) *Client {
	if cfg.Logger == nil {
		cfg.Logger = zap.NewNop()
	}
	if cfg.Seed == 0 {
		cfg.Seed = rand.Uint64()
	}
	loop := actor.NewLoop(name, cfg.Fail)
	c := &Client{
		cfg: cfg, loop: loop, inbox: actor.InboxOf[request](loop, inboxDepth),
		crew: actor.NewCrew(name, cfg.Panicked), parted: newPartings(),
	}
	pinned := c.newState().trackers()
	c.set.Set(&pinned)
	cfg.Network.OnDisconnect(c.parted.note)
	return c
}

// Start starts the actor. Call it once, after the last [Client.Watch].
func (c *Client) Start() {
	c.started = true
	c.loop.Start(c.run)
}

// Stop ends the actor, and with it all calls and streams, and waits for the
// goroutines, or until ctx ends. Calling it again waits for the same end.
func (c *Client) Stop(ctx context.Context) error {
	return errors.Join(c.loop.Stop(ctx), c.crew.Wait(ctx))
}

func (c *Client) newState() *state {
	without := c.cfg.Self
	if c.cfg.Tracker {
		without = ""
	}
	return newState(c.cfg.Pinned, without, c.cfg.ListKey != "", c.cfg.Seed)
}

// shell is what the goroutine of the actor holds beside its state.
type shell struct {
	*Client
	state   *state
	callers *actor.Numbers[callID, *caller]
	streams *carrier.Streams[streamID, spoken]
}

func (c *Client) newShell() *shell {
	s := &shell{
		Client: c, state: c.newState(), callers: actor.NewNumbers[callID, *caller](), streams: c.newStreams(),
	}
	s.state.take() // The set that it begins with is seen already.
	s.parted.follow(s.state.order)
	return s
}

func (c *Client) run(ctx context.Context) {
	s := c.newShell()
	defer s.close()
	for {
		s.loop.WaitingUntil(time.Now(), s.state.next)
		select {
		case req := <-s.inbox.C():
			s.handle(ctx, s.loop.Begin(), req)
		case r := <-s.streams.C():
			s.report(ctx, s.loop.Begin(), r)
		case <-s.parted.C():
			s.loop.Begin()
			s.parted.take(s.state.parted)
		case <-s.loop.Alarm():
			s.state.tick(s.loop.Woken(time.Now()))
		case <-ctx.Done():
			return
		}
		s.perform(ctx)
	}
}

func (s *shell) handle(ctx context.Context, now time.Time, req request) {
	switch req := req.(type) {
	case begin:
		s.state.begin(now, s.callers.Add(req.caller), req.tracker, req.message, req.record)
	case giveUp:
		s.state.giveUp(now, s.callers.Of(req.caller), req.late, req.cause)
	case unsubscribe:
		s.state.unsubscribe(now, s.callers.Of(req.caller), req.cause)
	case add:
		err := s.state.add(now, req.trackers)
		s.perform(ctx) // Who has named a tracker finds it in the set.
		req.reply <- err
	case pin:
		s.state.pin(now, req.trackers)
		s.perform(ctx)
		req.reply <- struct{}{}
	case listed:
		s.state.listed(now, req.from, req.list, req.fault)
	}
}

func (s *shell) report(ctx context.Context, now time.Time, r report) {
	switch r := r.(type) {
	case opened:
		if s.state.opened(now, r.Stream, r.Err) {
			s.streams.Carry(ctx, r)
		} else {
			s.streams.Discard(r)
		}
	case heard:
		if m := r.Message; m.wrong != nil {
			s.state.mistaken(now, r.Stream, m.wrong)
		} else {
			s.state.hear(now, r.Stream, m.message)
		}
	case wrote:
		s.state.wrote(now, r.Stream)
	case cut:
		s.state.cut(now, r.Stream, r.Cause)
	}
}

func (s *shell) perform(ctx context.Context) {
	out := s.state.take()
	s.publish(out) // Who is told something finds it in the set.
	s.log(out)
	s.hold(out)
	for _, d := range out.dials {
		s.streams.Open(ctx, d.stream, func(ctx context.Context) (Stream, error) {
			return s.cfg.Network.OpenDuplex(ctx, d.to, wire.Protocol)
		})
	}
	for _, w := range out.writes {
		s.streams.Write(w.stream, w.frames)
	}
	for _, id := range out.rests {
		s.streams.Rest(id)
	}
	for _, e := range out.ends {
		s.streams.Drop(e.stream, e.inOrder)
	}
	for _, l := range out.seeks {
		s.crew.Go(func() { s.seekList(ctx, l) })
	}
	s.tell(out)
}

// publish renews what is seen of the trackers.
func (s *shell) publish(out effects) {
	if out.members {
		s.parted.follow(s.state.order)
	}
	if out.news {
		set := s.state.trackers()
		s.set.Set(&set)
		for _, w := range s.watches {
			w.note()
		}
	}
}

// hold keeps the connections that are worth it from being trimmed.
func (s *shell) hold(out effects) {
	for _, p := range out.hold {
		s.cfg.Network.Hold(p, holdTag)
	}
	for _, p := range out.release {
		s.cfg.Network.Release(p, holdTag)
	}
}

// tell gives callers what is for them.
func (s *shell) tell(out effects) {
	for _, n := range out.notices {
		s.callers.Party(n.call).slot.Publish(n.notice, merge)
	}
	for _, a := range out.answers {
		if a.begins {
			s.callers.Party(a.call).reply <- a.outcome
		} else {
			s.callers.Remove(a.call).reply <- a.outcome
		}
	}
}

func (s *shell) log(out effects) {
	for _, b := range out.blames {
		s.cfg.Logger.Warn("tracker broke the rules", zap.Stringer("tracker", b.tracker), zap.Error(b.fault))
	}
	for _, d := range out.downs {
		s.cfg.Logger.Debug("tracker is down", zap.Stringer("tracker", d.tracker), zap.Time("until", d.until))
	}
}

// close ends every stream and lets go of every connection. Callers notice the end
// by themselves. It asks nothing of the state, which may have broken.
func (s *shell) close() {
	s.loop.End()
	s.streams.Close()
	for _, l := range s.state.lines {
		if l.stake.held {
			s.cfg.Network.Release(l.info.ID, holdTag)
		}
	}
}
