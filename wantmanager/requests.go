package wantmanager

import (
	"context"
	"fmt"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/internal/actor"
	"github.com/souk-p2p/souk/message"
	"github.com/souk-p2p/souk/network"
	"github.com/souk-p2p/souk/rate"
)

// Ask is one want for one peer.
type Ask struct {
	CID      cid.Cid
	Type     message.WantType
	Priority int32
}

// View is how a link sees one peer.
type View struct {
	Share int           // bytes of wanted blocks that the link may have queued or unanswered at the peer
	Rate  float64       // highest delivery rate of late, bytes a second; 0 when not measured
	RTT   time.Duration // lowest time from a want to the first of its answer of late; 0 when not measured
	Queue time.Duration // by how much longer than the shortest a want waited at least for the first byte of its answer in the last round trip
	Late  bool          // wants are unanswered and nothing has come for longer than the peer's patience
}

// Notice is news for a link.
type Notice struct {
	Peers  map[peer.ID]View // the last word for each
	Budget int              // bytes that the link may have in flight or undelivered; 0 for no news. Less than before is to be answered with [Link.Returned]

	// Unanswered are want-blocks and want-haves that a peer has passed over: it
	// answered what was asked long after them. They stay as subscriptions.
	Unanswered map[peer.ID][]cid.Cid
}

// request is what the inbox of the actor holds.
type request interface{ isRequest() }

type (
	openLink struct{ link *Link }
	send     struct {
		link *Link
		asks map[peer.ID][]Ask
	}
	cancel struct {
		link *Link
		cids []cid.Cid
	}
	cancelAt struct {
		link *Link
		peer peer.ID
		cids []cid.Cid
	}
	drop struct {
		link *Link
		peer peer.ID
	}
	cancelAll struct{ link *Link }
	returned  struct {
		link          *Link
		bytes, budget int
	}
	written struct{ network.Sent }
	totals  struct{ reply chan<- Totals }
	reports struct {
		peers []peer.ID
		reply chan<- []PeerReport
	}
	counts struct{ reply chan<- map[peer.ID]int }
	listed struct {
		peer  peer.ID
		after cid.Cid
		most  int
		reply chan<- []WantReport
	}

	setRates struct{ limits rate.Limits }
)

func (openLink) isRequest()  {}
func (send) isRequest()      {}
func (cancel) isRequest()    {}
func (cancelAt) isRequest()  {}
func (drop) isRequest()      {}
func (cancelAll) isRequest() {}
func (returned) isRequest()  {}
func (written) isRequest()   {}
func (totals) isRequest()    {}
func (reports) isRequest()   {}
func (counts) isRequest()    {}
func (listed) isRequest()    {}
func (setRates) isRequest()  {}

// Link is one session's line to the manager. Its methods may be used by one
// goroutine at a time; they block only while the manager's inbox is full.
type Link struct {
	manager *Manager
	slot    *actor.Slot[Notice]
}

// Open makes a link. It ends with [Link.CancelAll].
func (m *Manager) Open(ctx context.Context) (*Link, error) {
	l := &Link{manager: m, slot: actor.NewSlot[Notice]()}
	if err := m.inbox.Send(ctx, openLink{l}); err != nil {
		return nil, err
	}
	return l, nil
}

// C delivers news about the peers that the link has wants at.
func (l *Link) C() <-chan Notice { return l.slot.C() }

// Send asks peers for blocks. A want that the link has at a peer already is
// changed: want-have becomes want-block, and one answered DONT_HAVE is asked
// again. Wants at a peer that is not connected wait until it is, or until
// [Link.Drop].
func (l *Link) Send(ctx context.Context, asks map[peer.ID][]Ask) error {
	return l.manager.inbox.Send(ctx, send{l, asks})
}

// Cancel withdraws the wants for the CIDs at every peer.
func (l *Link) Cancel(ctx context.Context, cids []cid.Cid) error {
	return l.manager.inbox.Send(ctx, cancel{l, cids})
}

// CancelAt withdraws the wants for the CIDs at one peer.
func (l *Link) CancelAt(ctx context.Context, p peer.ID, cids []cid.Cid) error {
	return l.manager.inbox.Send(ctx, cancelAt{l, p, cids})
}

// Drop withdraws everything that the link wants of one peer.
func (l *Link) Drop(ctx context.Context, p peer.ID) error {
	return l.manager.inbox.Send(ctx, drop{l, p})
}

// Returned says how many bytes the link has in flight or undelivered, and with
// which budget it works. It answers a budget that is less than before, and is said
// again while what the link has shrinks towards that: until then the bytes are
// not lent to others.
func (l *Link) Returned(ctx context.Context, bytes, budget int) error {
	return l.manager.inbox.Send(ctx, returned{l, bytes, budget})
}

// CancelAll withdraws every want of the link, after which its channel is closed.
func (l *Link) CancelAll(ctx context.Context) error {
	return l.manager.inbox.Send(ctx, cancelAll{l})
}

// ReceiveHeard takes what a reader of Network decoded, before the blocks go to
// the BlockRouter. It blocks while the inbox is full.
func (m *Manager) ReceiveHeard(ctx context.Context, h network.Heard) error {
	return m.heard.Send(ctx, h)
}

// SetRates changes how many bytes of blocks are asked for in a second, of each peer,
// of a class of them and in total, and asks anew in which class who is. What was
// asked for until now comes. The error names what is wrong with the limits, of which
// nothing holds then, or is the context's or [actor.ErrClosed]. The manager owns
// limits.
func (m *Manager) SetRates(ctx context.Context, limits rate.Limits) error {
	if err := limits.Validate(); err != nil {
		return fmt.Errorf("wantmanager: Rates.%w", err)
	}
	return m.inbox.Send(ctx, setRates{limits})
}

// Totals returns how all peers stand together. It costs the manager a look at each
// peer that it keeps something of. The error is the context's or [actor.ErrClosed].
func (m *Manager) Totals(ctx context.Context) (Totals, error) {
	return actor.Ask(ctx, m.inbox, func(reply chan<- Totals) request { return totals{reply} })
}

// Reports returns how peers stand, in their order; one that the manager keeps
// nothing of gets the zero report. It costs the manager a look-up for each. The
// error is the context's or [actor.ErrClosed].
func (m *Manager) Reports(ctx context.Context, peers []peer.ID) ([]PeerReport, error) {
	return actor.Ask(ctx, m.inbox, func(reply chan<- []PeerReport) request { return reports{peers, reply} })
}

// Wants returns how many wants are at each peer; peers without any are not listed.
func (m *Manager) Wants(ctx context.Context) (map[peer.ID]int, error) {
	return actor.Ask(ctx, m.inbox, func(reply chan<- map[peer.ID]int) request { return counts{reply} })
}

// WantsAt lists wants at a peer, by CID: at most most of them, the first after the
// given CID.
func (m *Manager) WantsAt(ctx context.Context, p peer.ID, after cid.Cid, most int) ([]WantReport, error) {
	return actor.Ask(ctx, m.inbox, func(reply chan<- []WantReport) request { return listed{p, after, most, reply} })
}

// Busy is the time that the actor has spent at work.
func (m *Manager) Busy() time.Duration { return m.loop.Busy() }

// Load is how busy the actor is and what waits for it. It never waits for it.
func (m *Manager) Load(now time.Time) actor.Load { return m.loop.Load(now) }

// Depth is the number of requests that wait.
func (m *Manager) Depth() int { return m.inbox.Depth() + m.heard.Depth() }

// Turn is how long the actor has been at work on what it last received.
func (m *Manager) Turn(now time.Time) time.Duration { return m.loop.Turn(now) }
