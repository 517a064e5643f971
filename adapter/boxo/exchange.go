package boxo

import (
	"context"
	"errors"

	"github.com/ipfs/boxo/exchange"
	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	format "github.com/ipfs/go-ipld-format"

	"github.com/souk-p2p/souk"
)

// Exchange adapts x, which it does not own beyond Close: closing the block
// service closes the exchange, and boxo expects that.
//
// Sessions end with the context that they are made with. Where Souk knows that
// a block is not to be had, the error satisfies ipld.IsNotFound of
// go-ipld-format; errors.As still finds the *souk.FetchError with what each
// peer answered.
func Exchange(x *souk.Exchange) exchange.SessionExchange {
	return &sessionExchange{fetcher{x}, x}
}

type sessionExchange struct {
	fetcher
	x *souk.Exchange
}

// NewSession starts a session that ends with ctx.
func (e *sessionExchange) NewSession(ctx context.Context) exchange.Fetcher {
	return fetcher{e.x.NewSession(ctx)}
}

// NotifyNewBlocks gives blocks that the caller has stored to whoever waits.
func (e *sessionExchange) NotifyNewBlocks(ctx context.Context, bs ...blocks.Block) error {
	return e.x.NotifyNewBlocks(ctx, bs...)
}

// Close closes the exchange.
func (e *sessionExchange) Close() error { return e.x.Close() }

// fetcher turns the errors of an exchange or a session into boxo's.
type fetcher struct{ from exchange.Fetcher }

// GetBlock fetches one block.
func (f fetcher) GetBlock(ctx context.Context, c cid.Cid) (blocks.Block, error) {
	b, err := f.from.GetBlock(ctx, c)
	return b, translate(c, err)
}

// GetBlocks fetches blocks in the order in which they come; the channel closes
// without those that are not to be had.
func (f fetcher) GetBlocks(ctx context.Context, cs []cid.Cid) (<-chan blocks.Block, error) {
	ch, err := f.from.GetBlocks(ctx, cs)
	return ch, translate(cid.Undef, err)
}

// translate makes an error that has NotFound() true one that boxo takes for
// "not found" too.
func translate(c cid.Cid, err error) error {
	var absence interface{ NotFound() bool }
	if err == nil || !errors.As(err, &absence) || !absence.NotFound() {
		return err
	}
	return &notFoundError{format.ErrNotFound{Cid: c}, err}
}

// notFoundError is one absence in the words of both sides. It reads as ours,
// which say more.
type notFoundError struct {
	theirs format.ErrNotFound
	ours   error
}

func (e *notFoundError) Error() string   { return e.ours.Error() }
func (e *notFoundError) Unwrap() []error { return []error{e.ours, e.theirs} }
func (e *notFoundError) NotFound() bool  { return true }
