package node

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk"
	"github.com/souk-p2p/souk/ledger"
)

// Inside is what a running node tells of what it is at. Where none runs each method
// returns [ErrNotRunning].
type Inside interface {
	// Peers returns the peers that are connected and speak Bitswap, by ID.
	Peers(ctx context.Context) ([]souk.PeerStat, error)
	// ConnectTo connects to a peer, or returns an [*UnreachableError].
	ConnectTo(ctx context.Context, p peer.AddrInfo) error
	// Disconnect closes the connections to a peer, or returns a
	// [*NotConnectedError]. Whoever wants to be connected comes back.
	Disconnect(ctx context.Context, p peer.ID) error
	// Wants lists what we want of peers, or what they want of us.
	Wants(ctx context.Context, d Direction, q souk.WantQuery) (souk.WantPage, error)
	// Sessions returns the sessions that are open, by ID: the first thousand above
	// the given one.
	Sessions(ctx context.Context, after uint64) ([]souk.SessionStat, error)
	// Session returns all about one, or a [*NoSessionError].
	Session(ctx context.Context, id uint64) (souk.SessionDetail, error)
	// Stat returns totals.
	Stat(ctx context.Context) (Stat, error)
}

// Direction is whose wants are meant.
type Direction string

// The directions.
const (
	Sent     Direction = "sent"     // ours, at peers
	Received Direction = "received" // theirs, here
)

// Stat is what a node did in total, and what it takes.
type Stat struct {
	Time    time.Time `json:"time"`
	Uptime  float64   `json:"uptime_seconds"`
	Peers   int       `json:"peers"`    // connected, that speak Bitswap
	Session int       `json:"sessions"` // open

	// Since the node started:

	BlocksReceived   uint64 `json:"blocks_received"`
	BytesReceived    uint64 `json:"bytes_received"`
	Duplicates       uint64 `json:"duplicates"`
	DuplicateBytes   uint64 `json:"duplicate_bytes"`
	BlocksSent       uint64 `json:"blocks_sent"`
	BytesSent        uint64 `json:"bytes_sent"`
	MessagesReceived uint64 `json:"messages_received"`
	MessagesSent     uint64 `json:"messages_sent"`
	WantsReceived    uint64 `json:"wants_received"`

	// Classes are those that access rules make, and default: none where the rules make
	// none.
	Classes []souk.ClassStat `json:"classes,omitempty"`

	Rates    ledger.Rates    `json:"rates"`
	Ever     ledger.Counters `json:"ever"`     // with all peers since the first start
	Accounts int             `json:"accounts"` // ledgers

	Store Usage `json:"store"`

	Goroutines int    `json:"goroutines"`
	HeapBytes  uint64 `json:"heap_bytes"`
}

// NoSessionError says that no session with the number is open.
type NoSessionError struct{ ID uint64 }

func (e *NoSessionError) Error() string {
	return fmt.Sprintf("no session %d is open: \"souk sessions\" lists those that are", e.ID)
}

// NotFound marks the error as one that means "not found".
func (e *NoSessionError) NotFound() bool { return true }

// NotConnectedError says that there is no connection to a peer.
type NotConnectedError struct{ Peer peer.ID }

func (e *NotConnectedError) Error() string { return fmt.Sprintf("not connected to %s", e.Peer) }

// NotFound marks the error as one that means "not found".
func (e *NotConnectedError) NotFound() bool { return true }

// Peers implements [Inside].
func (n *Online) Peers(ctx context.Context) ([]souk.PeerStat, error) { return n.Exchange.Peers(ctx) }

// ConnectTo implements [Inside].
func (n *Online) ConnectTo(ctx context.Context, p peer.AddrInfo) error {
	_, err := n.Connect(ctx, []peer.AddrInfo{p})
	var unreachable *UnreachableError
	if errors.As(err, &unreachable) {
		return unreachable
	}
	return err
}

// Disconnect implements [Inside].
func (n *Online) Disconnect(_ context.Context, p peer.ID) error {
	if n.Host.Network().Connectedness(p) == network.NotConnected {
		return &NotConnectedError{Peer: p}
	}
	return n.Host.Network().ClosePeer(p)
}

// Wants implements [Inside].
func (n *Online) Wants(ctx context.Context, d Direction, q souk.WantQuery) (souk.WantPage, error) {
	switch d {
	case Sent:
		return n.Exchange.WantsSent(ctx, q)
	case Received:
		return n.Exchange.WantsReceived(ctx, q)
	}
	return souk.WantPage{}, fmt.Errorf("direction %q is neither %q nor %q", d, Sent, Received)
}

// Sessions implements [Inside].
func (n *Online) Sessions(ctx context.Context, after uint64) ([]souk.SessionStat, error) {
	return n.Exchange.Sessions(ctx, after, 0)
}

// Session implements [Inside].
func (n *Online) Session(ctx context.Context, id uint64) (souk.SessionDetail, error) {
	d, ok := n.Exchange.Session(ctx, id)
	if !ok {
		return d, &NoSessionError{ID: id}
	}
	return d, nil
}

// Stat implements [Inside].
func (n *Online) Stat(ctx context.Context) (Stat, error) {
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	s, totals := n.Exchange.Stat(), n.Exchange.LedgerTotals(ctx)
	stat := Stat{
		Time: time.Now(), Uptime: time.Since(n.started).Seconds(), Goroutines: runtime.NumGoroutine(), HeapBytes: memory.HeapAlloc,
		BlocksReceived: s.BlocksReceived, BytesReceived: s.DataReceived, Duplicates: s.DupBlksReceived, DuplicateBytes: s.DupDataReceived,
		BlocksSent: s.BlocksSent, BytesSent: s.DataSent, MessagesReceived: s.MessagesReceived, MessagesSent: s.MessagesSent,
		WantsReceived: s.WantsReceived, Rates: totals.Rates, Ever: totals.Counters, Accounts: totals.Accounts, Peers: totals.Connected,
	}
	if classes := n.Exchange.Classes(); len(classes) > 1 {
		stat.Classes = classes
	}
	for _, a := range n.Exchange.Actors() {
		if a.Name == "session" {
			stat.Session = a.Instances
		}
	}
	var err error
	stat.Store, err = n.Usage(ctx)
	return stat, errors.Join(err, context.Cause(ctx))
}

// Peers implements [Inside].
func (n *Offline) Peers(context.Context) ([]souk.PeerStat, error) { return nil, ErrNotRunning }

// ConnectTo implements [Inside].
func (n *Offline) ConnectTo(context.Context, peer.AddrInfo) error { return ErrNotRunning }

// Disconnect implements [Inside].
func (n *Offline) Disconnect(context.Context, peer.ID) error { return ErrNotRunning }

// Wants implements [Inside].
func (n *Offline) Wants(context.Context, Direction, souk.WantQuery) (souk.WantPage, error) {
	return souk.WantPage{}, ErrNotRunning
}

// Sessions implements [Inside].
func (n *Offline) Sessions(context.Context, uint64) ([]souk.SessionStat, error) {
	return nil, ErrNotRunning
}

// Session implements [Inside].
func (n *Offline) Session(context.Context, uint64) (souk.SessionDetail, error) {
	return souk.SessionDetail{}, ErrNotRunning
}

// Stat implements [Inside].
func (n *Offline) Stat(context.Context) (Stat, error) { return Stat{}, ErrNotRunning }
