package engine

import (
	"context"
	"fmt"
	"time"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"go.uber.org/zap"

	"github.com/souk-p2p/souk/ledger"
	"github.com/souk-p2p/souk/message"
	"github.com/souk-p2p/souk/network"
	"github.com/souk-p2p/souk/rate"
)

// Sender puts messages on the wire. [network.Network] is one.
type Sender interface {
	// Hand gives one message to a lane of a peer. It never blocks and calls
	// report exactly once, from a goroutine that may block. Until then the
	// message belongs to the sender.
	Hand(p peer.ID, lane network.Lane, m *message.Message, report func(network.Sent))
}

// Watch tells which peers come, go and change. [network.Watch] is one.
type Watch interface {
	C() <-chan struct{}
	Take() []network.PeerState
}

// Store is where blocks are. A block that is not there is an error with a
// method NotFound() bool that returns true; every other error is a failure of
// the store, which nobody is told is an absence.
type Store interface {
	GetSize(ctx context.Context, c cid.Cid) (int, error)
	// Get returns a block. Nobody changes its bytes any more: they are written to
	// streams from where they are.
	Get(ctx context.Context, c cid.Cid) (blocks.Block, error)
}

// Account is where what was sent is written down. [ledger.Port] is one. Record
// must not block.
type Account interface {
	Record(deltas ...ledger.Delta)
}

// Config is what an engine is made of. Sender, Peers and Store are required.
type Config struct {
	Sender Sender
	Peers  Watch
	Store  Store

	// Ledger is told what was sent. Nil tells nobody.
	Ledger Account
	// Scores says what peers owe us: those who owe less are served up to twice
	// as fast while there is not enough for all. It is called from the engine's
	// goroutine and must not block. Nil treats all alike.
	Scores func() *ledger.Scores
	// Access decides who may have what. Nil lets everybody have everything. It
	// is called from several goroutines at once, when a want comes in and again
	// when the block is read. A refusal looks to the peer exactly like a block
	// that is not there. What was refused is not sent before the peer asks
	// again or the block is put again, even if Access changes its mind.
	Access func(p peer.ID, c cid.Cid) bool

	// Rates are how many bytes of blocks may be sent in a second; see
	// [Engine.SetRates]. What carries the blocks is not counted: with blocks of 1 KiB
	// it is a tenth more, with 256 KiB hardly anything.
	Rates rate.Limits
	// Class says in which class of Rates a peer is: when it connects, and again with
	// SetRates. It is called from the engine's goroutine and must not block. Nil and
	// names that Rates does not have mean [rate.Default].
	Class func(p peer.ID) string

	// Open says that Access lets everybody have everything at present, so that what
	// arrives need not be asked about first. It is called from the engine's goroutine
	// and must not block. Nil says that it may refuse something.
	Open func() bool

	// Disabled ignores all wants in silence, as boxo does with its server off.
	Disabled bool

	Limits Limits
	// Workers are how many calls of the store there are at once, at most: 32 by
	// default. There are as many as it takes to read blocks as fast as they are sent,
	// which are few unless the store is slow.
	Workers int
	// Seed salts the order in which different peers get the same blocks.
	Seed uint64

	Logger *zap.Logger      // nil logs nothing
	Now    func() time.Time // the clock; nil is time.Now
	Failed func(error)      // told when the actor has ended by a panic; may be nil
	// Panicked is told of a panic in Store or Access, which is a failure of the
	// store for what was asked; may be nil.
	Panicked func(error)
}

func (c *Config) validate() error {
	switch {
	case c.Sender == nil:
		return fmt.Errorf("engine: Config.Sender is missing")
	case c.Peers == nil:
		return fmt.Errorf("engine: Config.Peers is missing")
	case c.Store == nil:
		return fmt.Errorf("engine: Config.Store is missing")
	case c.Workers < 0:
		return fmt.Errorf("engine: Config.Workers is negative: %d", c.Workers)
	}
	if err := c.Rates.Validate(); err != nil {
		return fmt.Errorf("engine: Config.Rates.%w", err)
	}
	return c.Limits.validate()
}
