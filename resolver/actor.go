package resolver

import (
	"context"
	"errors"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"go.uber.org/zap"

	"github.com/souk-p2p/souk"
	"github.com/souk-p2p/souk/internal/actor"
	"github.com/souk-p2p/souk/internal/carrier"
	"github.com/souk-p2p/souk/internal/due"
	"github.com/souk-p2p/souk/ledger"
	"github.com/souk-p2p/souk/message"
	"github.com/souk-p2p/souk/resolver/server"
)

// openTime is what it may take to connect to a peer and open a stream. Its requests time
// out before, and the peer is left alone for a while then.
const openTime = 20 * time.Second

// Resolver is the handle of the actor. Make it with [New]. Its methods are safe for
// concurrent use.
type Resolver struct {
	keySize int
	service *souk.Service
	server  *server.Server // nil for a resolver that serves nobody
	loop    *actor.Loop
	inbox   *actor.Inbox[command]
	crew    *actor.Crew // opens, reads and writes streams, and follows the source
	tellers *actor.Crew // call the Consumer
	meter   *meter
}

// shell is what the goroutine of the actor holds beside its state.
type shell struct {
	*Resolver
	protocol protocol.ID
	consumer Consumer
	source   Source
	log      *zap.Logger

	state   *state
	lines   *lines
	desk    *desk
	callers *actor.Numbers[callID, *caller]

	streams  *carrier.Streams[streamID, said]
	sets     *actor.Slot[[]peer.AddrInfo]
	verdicts chan verdict // has room for each task that can be under way

	denied   []requestID               // were not written, because a rule denies the peer
	infos    map[peer.ID]peer.AddrInfo // of the set, to reach them
	measured map[peer.ID]struct{}      // of whom the ledger has a measure of ours
}

func newShell(r *Resolver, cfg Config, id protocol.ID) *shell {
	return &shell{
		Resolver: r, protocol: id, consumer: cfg.Consumer, source: bind(cfg.Peers, r.service, id), log: r.service.Logger(),
		state: newState(time.Now(), cfg.Limits, r.service.Self(), cfg.Seed),
		lines: newLines(cfg.Limits.Timeout), desk: newDesk(cfg.Consumers),
		callers: actor.NewNumbers[callID, *caller](),
		streams: carrier.New[streamID](carrier.Config[said]{
			Name: r.loop.Name(), Panicked: r.service.Panicked, Crew: r.crew, OpenTime: openTime, Messages: hear,
		}),
		sets: actor.NewSlot[[]peer.AddrInfo](), verdicts: make(chan verdict, cfg.Consumers),
		infos: make(map[peer.ID]peer.AddrInfo), measured: make(map[peer.ID]struct{}),
	}
}

const (
	// atOnce is how many completions are taken in before anything else: they make room.
	atOnce = 16
	// ordersAtOnce is from how many orders on no more requests are taken in before the
	// next is sent, which half a millisecond of work is.
	ordersAtOnce = 1024
)

// run owns the shell.
func (s *shell) run(ctx context.Context) {
	defer s.close()
	s.crew.Go(func() { s.follow(ctx) })
	for {
		now, ended := s.await(ctx)
		if ended {
			return
		}
		s.catchUp(ctx, now)
		s.lines.tick(now)
		s.lose(now) // Before anything is asked there again.
		s.state.turn(now)
		s.perform(ctx, now)
	}
}

// await waits until something has come, which it takes in, or is due.
func (s *shell) await(ctx context.Context) (now time.Time, ended bool) {
	now = time.Now()
	wake := due.First(s.state.wake(now), s.lines.next)
	if !wake.IsZero() && !wake.After(now) {
		s.loop.Waiting(now)
		return s.loop.Begin(), ctx.Err() != nil
	}
	s.loop.WaitingUntil(now, wake)
	select {
	case r := <-s.streams.C():
		now = s.loop.Begin()
		s.report(ctx, now, r)
	case v := <-s.verdicts:
		now = s.loop.Begin()
		s.judged(now, v)
	case req := <-s.inbox.C():
		now = s.loop.Begin()
		s.receive(now, req)
	case set := <-s.sets.C():
		now = s.loop.Begin()
		s.setPeers(now, set)
	case <-s.loop.Alarm():
		now = s.loop.Woken(time.Now())
	case <-ctx.Done():
		return now, true
	}
	return now, false
}

// catchUp takes in what has come by now, as much as a turn takes: completions first,
// which make room, and are no more than what was asked for.
func (s *shell) catchUp(ctx context.Context, now time.Time) {
	for range atOnce {
		select {
		case r := <-s.streams.C():
			s.report(ctx, now, r)
			continue
		case v := <-s.verdicts:
			s.judged(now, v)
			continue
		default:
		}
		break
	}
	select {
	case req := <-s.inbox.C():
		s.receive(now, req)
	case set := <-s.sets.C():
		s.setPeers(now, set)
	default:
	}
}

// receive takes in a request, and those that wait behind it, in one go.
func (s *shell) receive(now time.Time, req command) {
	all := []command{req}
	for n := weight(req); n < ordersAtOnce; {
		select {
		case req := <-s.inbox.C():
			all, n = append(all, req), n+weight(req)
			continue
		default:
		}
		break
	}
	if len(all) > 1 {
		all = fold(all)
	}
	for _, req := range all {
		s.handle(now, req)
	}
}

// weight is how many keys a request is about.
func weight(req command) int {
	switch req := req.(type) {
	case placed:
		return len(req.orders)
	case cancelled:
		return len(req.keys)
	}
	return 1
}

func (s *shell) handle(now time.Time, req command) {
	switch req := req.(type) {
	case placed:
		s.state.fetch(now, req.orders)
	case called:
		req.order.caller = s.callers.Add(req.caller)
		s.state.fetch(now, []order{req.order})
	case left:
		if id := s.callers.Of(req.caller); id != 0 { // Else it was answered in that moment.
			s.callers.Remove(id)
			s.state.leave(now, id, req.key)
		}
	case cancelled:
		s.state.cancel(now, req.keys)
	case cleared:
		s.state.clear(now)
	case unblocked:
		s.state.unblock(now, req.peer)
	default:
		s.answer(now, req)
	}
}

// answer answers a question.
func (s *shell) answer(now time.Time, req command) {
	switch req := req.(type) {
	case statQuery:
		stat := s.state.stat()
		stat.Protocol, stat.Judged, stat.Streams = s.protocol, s.desk.judging, len(s.lines.streams)
		req.reply <- stat
	case keysQuery:
		req.reply <- s.state.keys()
	case fetchesQuery:
		req.reply <- s.state.fetchPage(now, req.after, req.most)
	case peersQuery:
		req.reply <- s.state.peerPage(now, req.after, req.most)
	}
}

// report takes in what the goroutines of streams say.
func (s *shell) report(ctx context.Context, now time.Time, r report) {
	switch r := r.(type) {
	case opened:
		if r.Err != nil {
			s.log.Debug("peer cannot be asked", zap.Error(r.Err))
		}
		if s.lines.opened(now, r.Stream, r.Err) {
			s.streams.Carry(ctx, r)
		} else {
			s.streams.Discard(r)
		}
	case heard:
		if p, ok := s.lines.peer(r.Stream); ok {
			s.hear(now, p, r.Message)
		}
	case wrote:
		s.lines.wrote(now, r.Stream)
	case parted:
		s.part(now, r)
	}
}

func (s *shell) hear(now time.Time, from peer.ID, m said) {
	switch m.fault {
	case 0:
		s.state.answered(now, from, m.id, m.answer)
	case message.FaultUnasked:
		s.state.answered(now, from, 0, answer{})
	default:
		s.state.faulted(now, from, m.fault)
	}
}

// part takes in that a stream has ended. What the peer was asked on it fails when the
// effects of that are performed.
func (s *shell) part(now time.Time, r parted) {
	p, ok := s.lines.peer(r.Stream)
	if !ok {
		return
	}
	if f := blame(r.Cause); f != 0 {
		s.state.faulted(now, p, f)
	}
	s.lines.ended(r.Stream, errors.Is(r.Cause, io.EOF) && !errors.Is(r.Cause, io.ErrUnexpectedEOF))
}

// setPeers takes in who the peers are, each once, with where to reach them.
func (s *shell) setPeers(now time.Time, set []peer.AddrInfo) {
	clear(s.infos)
	ids := make([]peer.ID, 0, len(set))
	for _, p := range set {
		s.infos[p.ID] = p
		ids = append(ids, p.ID)
	}
	s.state.setMembers(now, ids)
}

// judged takes in what became of a task.
func (s *shell) judged(now time.Time, v verdict) {
	value := v.task.why == nil
	s.desk.done(v.task.key, value)
	switch {
	case value && v.said:
		s.state.judged(now, v.task.key, v.good)
	case value:
		s.state.unjudged(now, v.task.key)
	}
}

// close ends every stream and lets go of every connection. Callers notice the end by
// themselves. It asks nothing of the state, which may have broken.
func (s *shell) close() {
	s.loop.End()
	s.streams.Close()
	gone := make([]ledger.Delta, 0, len(s.measured))
	for _, p := range slices.Sorted(maps.Keys(s.measured)) {
		gone = append(gone, ledger.Delta{Peer: p, Resolver: ledger.NotResolved})
	}
	s.service.Record(gone...)
}
