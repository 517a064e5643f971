package tracker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/ipfs/go-datastore"
	"github.com/libp2p/go-libp2p/core/peer"
	"go.uber.org/zap"

	"github.com/souk-p2p/souk/internal/actor"
	"github.com/souk-p2p/souk/providers/record"
)

// Config is what a tracker needs. All of it may be zero.
type Config struct {
	Limits Limits
	// Seed is what keys the hashes and chance of the table: a number that nobody
	// outside knows.
	Seed uint64
	// Probe asks a peer whether it has a block. Without it nobody is probed.
	Probe func(ctx context.Context, p peer.AddrInfo, c cid.Cid) (has bool, err error)
	// Keep is where the table is kept between runs. Without it a tracker that is
	// started knows nothing.
	Keep datastore.Batching
	// List is the signed list of trackers that is handed out.
	List []byte
	// Public are the namespaces that [Tracker.Providers] answers from when it is
	// given none.
	Public   []record.Namespace
	Fail     func(error) // told when the actor broke; may be nil
	Panicked func(error) // told of a panic in Probe or Keep; may be nil
	Logger   *zap.Logger
}

const (
	// inboxDepth lets a burst of streams be read on without waiting for each other;
	// a larger one would only hide a slow tracker.
	inboxDepth = 256
	// probesAtOnce bounds what a tracker dials on the word of announcers.
	probesAtOnce  = 4
	probeDeadline = 10 * time.Second
	// longFrames is how many frames above smallFrame are written at once: with
	// readers that take their time they are 16 MiB.
	longFrames = 64
)

// Tracker is the actor that answers the streams of peers from a [Table]. Make it
// with [New].
type Tracker struct {
	cfg    Config
	loop   *actor.Loop
	inbox  *actor.Inbox[request]
	crew   *actor.Crew
	keeper *keeper // nil when there is nothing to keep it in
	table  *Table
	list   trackerList
	long   chan struct{} // holds one for each long frame that is being written
}

// trackerList is the signed list of trackers, as bytes that nobody changes.
type trackerList struct {
	signed   string
	sequence uint64
}

// New returns a tracker that has not started. An error says what in the limits or
// the list is wrong.
func New(cfg Config) (*Tracker, error) {
	if cfg.Logger == nil {
		cfg.Logger = zap.NewNop()
	}
	table, err := NewTable(cfg.Limits, cfg.Seed)
	if err != nil {
		return nil, err
	}
	var trackers trackerList
	if len(cfg.List) > 0 {
		s, err := record.ParseTrackers(cfg.List)
		if err != nil {
			return nil, fmt.Errorf("tracker: list of trackers: %w", err)
		}
		trackers = trackerList{string(s.Bytes()), s.Trackers().Sequence}
	}
	loop := actor.NewLoop("tracker", cfg.Fail)
	t := &Tracker{
		cfg: cfg, loop: loop, inbox: actor.InboxOf[request](loop, inboxDepth),
		crew: actor.NewCrew("tracker", cfg.Panicked), table: table, list: trackers, long: make(chan struct{}, longFrames),
	}
	if cfg.Keep != nil {
		t.keeper = newKeeper(t.inbox, cfg.Keep, cfg.Logger)
	}
	return t, nil
}

// Start starts the actor. The rows that were kept come back while it answers.
func (t *Tracker) Start() { t.loop.Start(t.run) }

// Stop resets the streams, ends the actor and its probes, and waits for them, or
// for ctx.
func (t *Tracker) Stop(ctx context.Context) error {
	return errors.Join(t.loop.Stop(ctx), t.crew.Wait(ctx))
}

// shell is what the goroutine of the actor holds beside its state.
type shell struct {
	*Tracker
	state   *state
	streams *actor.Numbers[streamID, *serving]
	probed  chan probed // has room for every probe that can be under way
}

func (t *Tracker) run(ctx context.Context) {
	probes := 0
	if t.cfg.Probe != nil {
		probes = probesAtOnce
	}
	s := &shell{
		Tracker: t,
		state:   newState(t.table, t.cfg.Public, probes, time.Now()),
		streams: actor.NewNumbers[streamID, *serving](),
		probed:  make(chan probed, probesAtOnce),
	}
	defer s.close()
	if t.keeper != nil {
		s.crew.Go(func() { t.keeper.run(ctx) })
	}
	s.loopUntil(ctx)
}

func (s *shell) loopUntil(ctx context.Context) {
	for {
		now := time.Now()
		s.loop.WaitingUntil(now, s.state.next)
		select {
		case req := <-s.inbox.C():
			s.handle(s.loop.Begin(), req)
		case p := <-s.probed:
			s.state.probed(s.loop.Begin(), p.probe, p.became)
		case <-s.loop.Alarm():
			s.tick(ctx, s.loop.Woken(time.Now()))
		case <-ctx.Done():
			return
		}
	}
}

func (s *shell) handle(now time.Time, req request) {
	switch req := req.(type) {
	case opened:
		req.reply <- s.open(req)
	case closed:
		s.gone(req.stream)
	case claim:
		req.reply <- s.table.MayAnnounce(now, req.claim)
	case announce:
		req.reply <- s.table.Announce(now, req.announcement)
	case touch:
		req.reply <- s.state.touch(now, s.streams.Of(req.stream), req.rows, req.size)
	case query:
		req.reply <- s.table.Query(now, req.query, make([]Candidate, 0, min(req.query.K, mostRows)))
	case subscribe:
		req.reply <- s.state.subscribe(now, s.streams.Of(req.stream), req.request, req.about)
	case unsubscribe:
		left, v := s.state.unsubscribe(now, s.streams.Of(req.stream), req.request, req.size)
		req.reply <- unsubscribed{left, v}
	case feedback:
		req.reply <- s.state.feedback(now, s.streams.Of(req.stream), req.token, req.reports, req.samples, req.size)
	default:
		s.handleOther(now, req)
	}
}

// handleOther is for what is rare.
func (s *shell) handleOther(now time.Time, req request) {
	switch req := req.(type) {
	case charge:
		req.reply <- s.table.Charge(now, req.stream.peer, req.stream.origin, 1, req.size)
	case faulted:
		req.reply <- s.state.faulted(now, s.streams.Of(req.stream), req.fault, req.size)
	case spoiled:
		req.reply <- s.state.spoiled(now, s.streams.Of(req.stream), req.fault, req.size, req.claimed)
	case squeezed:
		s.state.stat.Squeezed++
	case list:
		req.reply <- s.state.list(now, req.query)
	case snapshot:
		chunk, next := s.table.Snapshot(req.from, chunkBytes)
		req.reply <- piece{chunk, next}
	case restore:
		req.reply <- s.state.restore(now, req.chunk)
	case wrote:
		s.state.wrote(req.err)
	case stats:
		req.reply <- s.state.statistics()
	case tops:
		top, next := s.table.Top(now, req.from, req.n)
		req.reply <- topPart{top, next}
	}
}

func (s *shell) open(req opened) bool {
	if !s.state.admits(req.peer) {
		return false
	}
	s.state.opened(s.streams.Add(req.stream), req.peer, req.origin)
	return true
}

// gone forgets a stream, if it was admitted.
func (s *shell) gone(stream *serving) {
	if n := s.streams.Of(stream); n != 0 {
		s.state.closed(n)
		s.streams.Remove(n)
	}
}

func (s *shell) tick(ctx context.Context, now time.Time) {
	news, probes := s.state.tick(now)
	for _, n := range news {
		s.streams.Party(n.stream).news.Publish(n.notices, mergeNews)
	}
	for _, p := range probes {
		s.crew.Go(func() { s.probe(ctx, p) })
	}
}

// close resets the streams: nobody would answer them.
func (s *shell) close() {
	s.loop.End()
	for stream := range s.streams.All() {
		stream.stream.Reset()
	}
}
