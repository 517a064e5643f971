package wantmanager

import (
	"context"
	"maps"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"go.uber.org/zap"

	"github.com/souk-p2p/souk/internal/actor"
	"github.com/souk-p2p/souk/ledger"
	"github.com/souk-p2p/souk/message"
	"github.com/souk-p2p/souk/network"
	"github.com/souk-p2p/souk/rate"
)

// Peers tells the latest state of peers; a *network.Watch does.
type Peers interface {
	C() <-chan struct{}
	Take() []network.PeerState
}

// Sender writes messages to peers; a *network.Network does.
type Sender interface {
	// Hand gives a peer's sender one message. It does not block; report is
	// called once, from another goroutine.
	Hand(p peer.ID, lane network.Lane, m *message.Message, report func(network.Sent))
	// Progress is when the last byte from the peer was read.
	Progress(p peer.ID) time.Time
	// Hold keeps the connections of a peer until Release. Both count.
	Hold(p peer.ID, tag string)
	Release(p peer.ID, tag string)
}

// Config is what a manager needs. Zero numbers mean the defaults.
type Config struct {
	Peers  Peers
	Sender Sender
	// Record takes what the ledger is to know; it must not block. May be nil.
	Record func(...ledger.Delta)
	Fail   func(error) // told when the actor broke; may be nil

	// Rates are how many bytes of blocks are asked for in a second; see
	// [Manager.SetRates]. They are to be valid.
	Rates rate.Limits
	// Class says in which class of Rates a peer is: when something is first asked of
	// it, when it connects anew, and again with SetRates. It is called from the
	// manager's goroutine and must not block. Nil and names that Rates does not have
	// mean [rate.Default].
	Class func(peer.ID) string

	SessionBytes int // that one session may have in flight or undelivered; default 16 MiB
	NodeBytes    int // that all sessions together may; default 64 MiB
	Logger       *zap.Logger
}

func (c *Config) setDefaults() {
	if c.SessionBytes == 0 {
		c.SessionBytes = 16 << 20
	}
	if c.NodeBytes == 0 {
		c.NodeBytes = 64 << 20
	}
	if c.Record == nil {
		c.Record = func(...ledger.Delta) {}
	}
	if c.Logger == nil {
		c.Logger = zap.NewNop()
	}
}

const (
	inboxDepth = 64 // lets a burst of sessions start without waiting for each other
	heardDepth = 64 // messages of readers; each is a few CIDs
)

// holdTag is what a connection is held for while wants are live at its peer.
const holdTag = "souk-wants"

// Manager is the WantManager actor. Make it with [New].
type Manager struct {
	cfg   Config
	loop  *actor.Loop
	inbox *actor.Inbox[request]
	heard *actor.Inbox[network.Heard]
}

// New returns a manager that has not started.
func New(cfg Config) *Manager {
	cfg.setDefaults()
	loop := actor.NewLoop("wantmanager", cfg.Fail)
	m := &Manager{
		cfg: cfg, loop: loop,
		inbox: actor.InboxOf[request](loop, inboxDepth),
		heard: actor.InboxOf[network.Heard](loop, heardDepth),
	}
	return m
}

// Start starts the actor.
func (m *Manager) Start() { m.loop.Start(m.run) }

// Stop ends the actor and waits for it, or for ctx.
func (m *Manager) Stop(ctx context.Context) error { return m.loop.Stop(ctx) }

// shell is what the goroutine of the actor holds beside its state.
type shell struct {
	*Manager
	state *state
	links *actor.Numbers[linkID, *Link]
}

func (m *Manager) newState() *state {
	s := newState(m.cfg.SessionBytes, m.cfg.NodeBytes)
	if m.cfg.Class != nil {
		s.classOf = m.cfg.Class
	}
	s.setRates(time.Now(), m.cfg.Rates)
	return s
}

func (m *Manager) run(ctx context.Context) {
	s := &shell{
		Manager: m,
		state:   m.newState(),
		links:   actor.NewNumbers[linkID, *Link](),
	}
	defer s.close()
	for {
		s.loop.WaitingUntil(time.Now(), s.state.wake())
		select {
		case req := <-m.inbox.C():
			s.hearFirst(req)
			s.handle(s.loop.Begin(), req)
		case h := <-m.heard.C():
			s.hear(h)
		case <-m.cfg.Peers.C():
			now := s.loop.Begin()
			for _, p := range m.cfg.Peers.Take() {
				s.state.peerState(now, p.Peer, p.Connected, p.Version, p.Epoch, p.Generation)
			}
		case <-s.loop.Alarm():
			s.state.tick(s.loop.Woken(time.Now()), m.cfg.Sender.Progress)
		case <-ctx.Done():
			return
		}
		s.perform(ctx, s.state.take(time.Now()))
	}
}

// hearFirst takes what was heard before a session asks for more because of it: an
// answer whose want was replaced in between measures nothing.
func (s *shell) hearFirst(req request) {
	if _, asks := req.(send); !asks {
		return
	}
	for {
		select {
		case h := <-s.heard.C():
			s.hear(h)
		default:
			return
		}
	}
}

func (s *shell) hear(h network.Heard) {
	s.state.heard(s.loop.Begin(), h.From, newsOf(h))
}

func (s *shell) handle(now time.Time, req request) {
	switch req := req.(type) {
	case openLink:
		s.state.open(s.links.Add(req.link))
	case send:
		s.state.send(s.links.Of(req.link), req.asks)
	case cancel:
		s.state.cancel(now, s.links.Of(req.link), req.cids)
	case cancelAt:
		s.state.cancelAt(now, s.links.Of(req.link), req.peer, req.cids)
	case drop:
		s.state.drop(now, s.links.Of(req.link), req.peer)
	case cancelAll:
		s.state.cancelAll(now, s.links.Of(req.link))
	case returned:
		s.state.returned(s.links.Of(req.link), req.bytes, req.budget)
	case written:
		s.state.written(now, req.Peer, req.At, req.Err)
	case setRates:
		s.state.setRates(now, req.limits)
	case totals:
		req.reply <- s.state.totals()
	case reports:
		req.reply <- s.state.reports(req.peers)
	case counts:
		req.reply <- s.state.counts()
	case listed:
		req.reply <- s.state.wantsAt(req.peer, req.after, req.most)
	}
}

func (s *shell) perform(ctx context.Context, out effects) {
	for _, p := range out.hold {
		s.cfg.Sender.Hold(p, holdTag)
	}
	for _, p := range out.release {
		s.cfg.Sender.Release(p, holdTag)
	}
	for _, o := range out.messages {
		s.cfg.Sender.Hand(o.peer, network.LaneWants, o.message, func(r network.Sent) {
			_ = s.inbox.Send(ctx, written{r}) // Fails only when the actor has ended.
		})
	}
	for _, n := range out.notices {
		s.links.Party(n.link).slot.Publish(n.notice, merge)
	}
	for _, id := range out.closed {
		s.links.Remove(id).slot.Close()
	}
	for _, m := range out.measured {
		s.record(m)
	}
}

func (s *shell) record(m measured) {
	s.cfg.Record(ledger.Delta{Peer: m.peer, Counters: ledger.Counters{WantsSent: m.wants}, RTT: m.rtt, Rate: m.rate})
	for f, n := range m.faults {
		s.cfg.Record(ledger.Delta{Peer: m.peer, Fault: f, Times: n})
	}
}

// close releases every connection and closes every link, also of those who came
// in the moment of the end.
func (s *shell) close() {
	s.loop.End()
	for id, p := range s.state.peers {
		if p.held {
			s.cfg.Sender.Release(id, holdTag)
		}
	}
	for req := range s.inbox.Rest() {
		if open, ok := req.(openLink); ok {
			s.links.Add(open.link)
		}
	}
	for l := range s.links.All() {
		l.slot.Close()
	}
}

func newsOf(h network.Heard) news {
	n := news{at: h.At, began: h.Began, read: h.Read, part: h.Part, burst: h.Burst, haves: h.Haves, dontHaves: h.DontHaves}
	n.blocks = make([]sized, len(h.Blocks))
	for i, b := range h.Blocks {
		n.blocks[i] = sized{b.CID, b.Size}
	}
	return n
}

func merge(older, newer Notice) Notice {
	if newer.Budget != 0 {
		older.Budget = newer.Budget
	}
	if older.Peers == nil {
		older.Peers = newer.Peers
	} else {
		maps.Copy(older.Peers, newer.Peers)
	}
	if older.Unanswered == nil {
		older.Unanswered = newer.Unanswered
	} else {
		for p, cids := range newer.Unanswered {
			older.Unanswered[p] = append(older.Unanswered[p], cids...)
		}
	}
	return older
}
