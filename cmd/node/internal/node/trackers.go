package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
	"go.uber.org/zap"

	"github.com/souk-p2p/souk"
	"github.com/souk-p2p/souk/cmd/node/internal/repo"
	"github.com/souk-p2p/souk/providers/announcer"
)

// Search asks trackers who holds what.
type Search struct {
	// Namespace is what is asked about.
	Namespace string
	// CID, where it is defined, is the block that is wanted of it.
	CID cid.Cid
	// Trackers are asked besides those that the node knows.
	Trackers []peer.AddrInfo
	// Most is how many peers are wanted at most.
	Most int
}

// Announced is what is announced of a namespace, and what came of it.
type Announced struct {
	repo.Announcement
	// Told is what the running node has told trackers.
	Told []Told `json:"told,omitempty"`
}

// Told is what became of telling a tracker.
type Told struct {
	Tracker peer.ID   `json:"tracker"`
	Heard   time.Time `json:"heard,omitzero"` // when it last said that it has it
	Next    time.Time `json:"next,omitzero"`  // when it is told again
	Error   string    `json:"error,omitempty"`
}

// Tracker is what is known of a tracker.
type Tracker struct {
	ID        peer.ID       `json:"id"`
	Addresses []string      `json:"addresses"` // each with the ID
	Latency   time.Duration `json:"latency_ns,omitempty"`
	DownUntil time.Time     `json:"down_until,omitzero"` // it has not answered, and is not asked before
	Lost      uint64        `json:"lost,omitempty"`      // how often its connection was
}

// NoTrackersError says that there is no tracker to tell or to ask.
type NoTrackersError struct{}

func (e *NoTrackersError) Error() string {
	return "this node knows no tracker: name one with --trackers /ip4/ADDRESS/tcp/PORT/p2p/ID, here or to `souk run`, or make the node one with `souk run --tracker`"
}

// InvalidError says that what was asked for is against the rules.
type InvalidError struct{ Err error }

func (e *InvalidError) Error() string { return e.Err.Error() }

func (e *InvalidError) Unwrap() error { return e.Err }

func cannotAnnounce(err error) error {
	return &InvalidError{Err: fmt.Errorf("cannot be announced: %w", err)}
}

// UnheardError says that no tracker has taken an announcement, which is repeated
// until one does.
type UnheardError struct {
	Namespace string
	Err       error
}

func (e *UnheardError) Error() string {
	return fmt.Sprintf("no tracker has taken the announcement of %q, and the node goes on trying: %v", e.Namespace, e.Err)
}

func (e *UnheardError) Unwrap() error { return e.Err }

// Memory is where a node notes what it announces, so that the next one on the
// same repository announces it again.
type Memory interface {
	Announced() ([]repo.Announcement, error)
	Announce(a repo.Announcement) error
	Withdraw(namespace string) (bool, error)
}

// forgetful is the memory of a node that has none.
type forgetful struct{}

func (forgetful) Announced() ([]repo.Announcement, error) { return nil, nil }
func (forgetful) Announce(repo.Announcement) error        { return nil }
func (forgetful) Withdraw(string) (bool, error)           { return true, nil }

// Announce implements [Node].
func (n *Online) Announce(ctx context.Context, a repo.Announcement, trackers ...peer.AddrInfo) error {
	if err := a.Check(); err != nil {
		return cannotAnnounce(err)
	}
	if err := n.AddTrackers(trackers...); err != nil {
		return err
	}
	if !n.tracked() && n.dht == nil {
		return &NoTrackersError{}
	}
	if err := n.memory.Announce(a); err != nil {
		return err
	}
	n.rootsChanged()
	if !n.tracked() {
		return nil
	}
	err := n.tell(ctx, a)
	var invalid *InvalidError
	if errors.As(err, &invalid) {
		_, forgotten := n.memory.Withdraw(a.Namespace)
		err = errors.Join(err, forgotten)
	}
	return err
}

// tell gives an announcement to the exchange, which repeats it.
func (n *Online) tell(ctx context.Context, a repo.Announcement) error {
	err := n.Exchange.Announce(ctx, a.Namespace, announceOptions(a)...)
	var wrong *souk.FormError
	var unheard *souk.AnnounceError
	switch {
	case errors.As(err, &wrong), errors.Is(err, announcer.ErrTooMany):
		return cannotAnnounce(err)
	case errors.As(err, &unheard), errors.Is(err, souk.ErrNoTrackers):
		return &UnheardError{Namespace: a.Namespace, Err: err}
	default:
		return err
	}
}

func announceOptions(a repo.Announcement) []souk.AnnounceOption {
	options := []souk.AnnounceOption{souk.WithRanges(a.Ranges()...), souk.WithCapacity(a.Capacity)}
	if a.Partial {
		options = append(options, souk.WithPart())
	}
	if ttl := a.Lifetime(); ttl != 0 {
		options = append(options, souk.WithTTL(ttl))
	}
	return options
}

// Resume announces again what is remembered, and does not wait for it.
func (n *Online) Resume() error {
	all, err := n.memory.Announced()
	if err != nil || len(all) == 0 {
		return err
	}
	if !n.tracked() {
		if n.dht == nil {
			n.log.Warn("nothing is announced of what was: no tracker is known", zap.Int("namespaces", len(all)))
		}
		return nil
	}
	for _, a := range all {
		n.work.Go(func() {
			if err := n.tell(n.ctx, a); err != nil && n.ctx.Err() == nil {
				n.log.Warn("announcing again", zap.Error(err))
			}
		})
	}
	return nil
}

// Withdraw implements [Node].
func (n *Online) Withdraw(ctx context.Context, namespace string) error {
	there, err := n.memory.Withdraw(namespace)
	switch {
	case err != nil:
		return err
	case !there:
		return &NotAnnouncedError{Namespace: namespace}
	}
	n.rootsChanged()
	return n.Exchange.Withdraw(ctx, namespace)
}

// NotAnnouncedError says that there is nothing to withdraw.
type NotAnnouncedError struct{ Namespace string }

func (e *NotAnnouncedError) Error() string {
	return fmt.Sprintf("%q is not announced (\"souk announce --list\" says what is)", e.Namespace)
}

// NotFound marks the error as one that means "not found".
func (e *NotAnnouncedError) NotFound() bool { return true }

// Announced implements [Node].
func (n *Online) Announced(ctx context.Context) ([]Announced, error) {
	all, err := announced(n.memory)
	if err != nil {
		return nil, err
	}
	for _, s := range n.Exchange.Announced(ctx) {
		for i := range all {
			if all[i].Namespace == string(s.Namespace) {
				all[i].Told = append(all[i].Told, toldOf(s))
			}
		}
	}
	return all, nil
}

func announced(memory Memory) ([]Announced, error) {
	remembered, err := memory.Announced()
	all := make([]Announced, len(remembered))
	for i, a := range remembered {
		all[i].Announcement = a
	}
	return all, err
}

func toldOf(s announcer.Status) Told {
	t := Told{Tracker: s.Tracker, Heard: s.Heard, Next: s.Next}
	if s.Err != nil {
		t.Error = s.Err.Error()
	}
	return t
}

// Trackers implements [Node].
func (n *Online) Trackers(context.Context) ([]Tracker, error) {
	known := n.Exchange.Trackers()
	all := make([]Tracker, len(known))
	for i, t := range known {
		all[i] = Tracker{
			ID: t.ID, Addresses: append([]string{}, Addresses(t.AddrInfo)...), Latency: t.Latency, DownUntil: t.DownUntil, Lost: t.Lost,
		}
	}
	return all, nil
}

// AddTrackers lets the node know of more trackers until it is closed.
func (n *Online) AddTrackers(trackers ...peer.AddrInfo) error {
	if len(trackers) == 0 {
		return nil
	}
	if err := n.Exchange.AddTrackers(trackers...); err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.added = merge(n.added, trackers)
	return nil
}

// SetTrackers replaces the trackers that the settings named. Those that commands have
// added stay. What was announced before is announced again if there was nobody to tell.
func (n *Online) SetTrackers(trackers []peer.AddrInfo) error {
	if err := n.Exchange.SetTrackers(trackers...); err != nil {
		return err
	}
	lost := !n.tracked()
	n.mu.Lock()
	n.given = merge(nil, trackers)
	n.mu.Unlock()
	if lost && n.tracked() {
		if err := n.Resume(); err != nil {
			n.log.Warn("announcing again", zap.Error(err))
		}
	}
	return nil
}

// Peers are those that addresses lead to, in the order in which they are named
// first. An address must end in /p2p/ID.
func Peers(addrs ...ma.Multiaddr) ([]peer.AddrInfo, error) {
	var all []peer.AddrInfo
	for _, a := range addrs {
		p, err := peer.AddrInfoFromP2pAddr(a)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", a, err)
		}
		all = merge(all, []peer.AddrInfo{*p})
	}
	return all, nil
}

// merge puts the addresses of the same peer together.
func merge(all, more []peer.AddrInfo) []peer.AddrInfo {
	all = slices.Clone(all)
	for _, p := range more {
		i := indexOf(all, p.ID)
		if i < 0 {
			all = append(all, p)
			continue
		}
		for _, a := range p.Addrs {
			if !slices.ContainsFunc(all[i].Addrs, a.Equal) {
				all[i].Addrs = append(slices.Clip(all[i].Addrs), a)
			}
		}
	}
	return all
}

func indexOf(all []peer.AddrInfo, id peer.ID) int {
	return slices.IndexFunc(all, func(p peer.AddrInfo) bool { return p.ID == id })
}

// named are the trackers that the node was told of.
func (n *Online) named() []peer.AddrInfo {
	n.mu.Lock()
	defer n.mu.Unlock()
	return merge(n.given, n.added)
}

// tracked reports whether there is a tracker to tell and to ask.
func (n *Online) tracked() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.isTracker || len(n.given)+len(n.added) > 0
}

// searchTime is how long a search of a network that was started for it may take:
// dials, an answer of each tracker that is asked, and a reserve.
const searchTime = 30 * time.Second

// Find implements [Node], with a network that ends with it.
func (n *Offline) Find(ctx context.Context, s Search) (found []peer.AddrInfo, err error) {
	if len(s.Trackers) == 0 {
		return nil, &NoTrackersError{}
	}
	ctx, cancel := context.WithTimeout(ctx, searchTime)
	defer cancel()
	online, err := Start(ctx, n.repo.Key(), n.store, n.cfg)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, online.Close()) }()
	return online.Find(ctx, s)
}

// Announce implements [Node]: trackers forget who is gone.
func (n *Offline) Announce(context.Context, repo.Announcement, ...peer.AddrInfo) error {
	return fmt.Errorf("what a process announces that then ends is of no use: %w", ErrNotRunning)
}

// Withdraw implements [Node]: what is not announced by the next node is withdrawn.
func (n *Offline) Withdraw(_ context.Context, namespace string) error {
	there, err := n.repo.Withdraw(namespace)
	if err == nil && !there {
		err = &NotAnnouncedError{Namespace: namespace}
	}
	return err
}

// Announced implements [Node].
func (n *Offline) Announced(context.Context) ([]Announced, error) { return announced(n.repo) }

// Trackers implements [Node].
func (n *Offline) Trackers(context.Context) ([]Tracker, error) { return nil, ErrNotRunning }
