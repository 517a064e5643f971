package souk

import (
	"context"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/providers"
	"github.com/souk-p2p/souk/providers/announcer"
	"github.com/souk-p2p/souk/providers/client"
	"github.com/souk-p2p/souk/providers/record"
)

// farewell is how long trackers may take to hear that what was announced is
// withdrawn when the exchange closes. Those that have not heard by then find out.
const farewell = 300 * time.Millisecond

// buildDiscovery makes what finds peers and what lets this node be found.
func (x *Exchange) buildDiscovery() error {
	self, log := x.host.ID(), x.opts.logger.Named("discovery")
	x.trackers = client.New(client.Config{
		Network: trackerNetwork{client.Over(x.network), x}, Self: self, Tracker: x.opts.tracker != nil,
		Pinned: x.pinned(x.opts.trackers), ListKey: x.opts.listKey, Logger: log.Named("client"), Panicked: x.panics.contained,
		Fail: x.without("the client of trackers"),
	})
	x.providers = providers.New(providers.Config{
		Peers: x.network.Watch(), Trackers: x.trackers, Set: x.trackers.Watch(), Self: self,
		Finders: x.opts.finders, Score: func(p peer.ID) float64 { return x.ledger.Scores().Of(p) },
		Denied: x.policy.denied, Fail: x.fail, Panicked: x.panics.contained, Logger: log,
	})
	x.announcer = announcer.New(announcer.Config{
		Self: self, Key: x.host.Peerstore().PrivKey(self), Addrs: x.host.Addrs,
		Teller: x.trackers, Set: x.trackers.Watch(), Moved: x.network.Moved(),
		Fail: x.without("the announcer"), Panicked: x.panics.contained, Logger: log.Named("announcer"), Seed: seed(self),
	})
	return x.buildTracker()
}

// without returns what is told by an actor that broke and without which the exchange
// goes on: what this node fetches and serves does not depend on it.
func (x *Exchange) without(actor string) func(error) {
	return func(err error) { x.panics.note(actor+" broke; the exchange goes on without it", err) }
}

// pinned are the trackers that were named. A tracker for which none are named is
// its own.
func (x *Exchange) pinned(named []peer.AddrInfo) []peer.AddrInfo {
	if x.opts.tracker != nil && len(named) == 0 && x.opts.listKey == "" {
		return []peer.AddrInfo{{ID: x.host.ID()}}
	}
	return named
}

// Announce tells the trackers that this node holds a namespace, and goes on to
// tell them until [Exchange.Withdraw] or [Exchange.Close]. It costs the same
// whatever the namespace holds: single blocks are never announced. Announcing
// again changes what is said.
//
// It returns when one tracker has taken it, with [ErrNoTrackers] or an
// [*AnnounceError] when each that was tried has failed, or with ctx; trackers are
// told all the same as soon as they can be. A [*FormError] says what of it is
// against the rules; then nothing has changed.
func (x *Exchange) Announce(ctx context.Context, namespace string, opts ...AnnounceOption) error {
	h := holding{complete: true}
	for _, o := range opts {
		o(&h)
	}
	held, err := h.checked()
	if err != nil {
		return err
	}
	return x.announcer.Announce(ctx, record.Namespace(namespace), held)
}

// Withdraw tells the trackers that this node does not hold a namespace any more.
// It returns when all that knew it have taken that, or with an [*AnnounceError]
// when some have not; these are told a few times more.
func (x *Exchange) Withdraw(ctx context.Context, namespace string) error {
	return x.announcer.Withdraw(ctx, record.Namespace(namespace))
}

// Announced is what each tracker was told of each namespace, in order.
func (x *Exchange) Announced(ctx context.Context) []announcer.Status { return x.announcer.Status(ctx) }

// AddTrackers names trackers as [WithTrackers] does, while the exchange runs; one
// that is known gets the addresses that are given now. At most 64 can be added.
func (x *Exchange) AddTrackers(trackers ...peer.AddrInfo) error { return x.trackers.Add(trackers...) }

// SetTrackers names others in place of the trackers that [WithTrackers] or the last
// SetTrackers named; those of AddTrackers and of signed lists stay. One that is not
// named any more is told and asked nothing from now on: what was announced there goes
// with its TTL. The error is that the exchange has closed.
func (x *Exchange) SetTrackers(trackers ...peer.AddrInfo) error {
	return x.trackers.Pin(x.pinned(trackers)...)
}

// Trackers are the trackers that are known: those that were named, and those of
// their signed list.
func (x *Exchange) Trackers() []client.Tracker { return x.trackers.Trackers() }

// trackerStates counts the trackers that are up and those that are down.
func (x *Exchange) trackerStates() (up, down int) {
	now := time.Now()
	for _, t := range x.Trackers() {
		if t.Down(now) {
			down++
		} else {
			up++
		}
	}
	return up, down
}

// Find returns at most k peers, and at most 32, that hold a namespace, those that
// were useful in it and are connected first. It is for anybody who wants to ask a
// few peers something, be it blocks or not. When ctx ends first it returns those
// found until then with the context's error.
func (x *Exchange) Find(ctx context.Context, namespace string, k int) ([]peer.AddrInfo, error) {
	return x.providers.Find(ctx, namespace, k)
}

// Search is Find for something in a namespace: a CID, a key where keys are no
// CIDs, or peers with certain roles. Those are found, too, that hold only the part
// that it lies in.
func (x *Exchange) Search(ctx context.Context, q providers.Query) ([]peer.AddrInfo, error) {
	return x.providers.Search(ctx, q)
}

// Watch delivers peers that announce a namespace from now on, until ctx ends;
// then the channel is closed. What nobody receives is dropped but for the first
// few: [Exchange.Find] finds it.
func (x *Exchange) Watch(ctx context.Context, namespace string) (<-chan peer.AddrInfo, error) {
	return x.providers.Watch(ctx, namespace)
}

// withdrawAll lets trackers know that the node goes. It takes little time.
func (x *Exchange) withdrawAll(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, farewell)
	defer cancel()
	return x.announcer.Stop(ctx)
}
