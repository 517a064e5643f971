package exchanges

import (
	"time"

	"github.com/ipfs/go-datastore"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/core/routing"

	"github.com/souk-p2p/souk"
	"github.com/souk-p2p/souk/message"
)

// Option changes what an exchange does. Every make understands it in its own
// way; bare streams have none.
type Option func(*options)

type options struct {
	routing   routing.ContentDiscovery
	fetchOnly bool
	old       bool
	data      datastore.Batching
	souk      []souk.Option
}

func gather(opts []Option) *options {
	o := &options{data: Memory()}
	for _, set := range opts {
		set(o)
	}
	return o
}

// WithRouting makes the exchange ask content routing who has what.
func WithRouting(r routing.ContentDiscovery) Option { return func(o *options) { o.routing = r } }

// WithServerDisabled makes the exchange fetch only.
func WithServerDisabled() Option { return func(o *options) { o.fetchOnly = true } }

// WithOldProtocol makes the exchange speak Bitswap 1.1 alone, which has no
// presences.
func WithOldProtocol() Option { return func(o *options) { o.old = true } }

// WithDatastore makes the exchange keep its blocks there instead of in memory.
func WithDatastore(d datastore.Batching) Option { return func(o *options) { o.data = d } }

// WithSlowReads makes each read of an empty datastore take so long, whatever it asks for.
func WithSlowReads(each time.Duration) Option {
	return func(o *options) { o.data = slowReads{Memory(), each} }
}

// WithSouk gives options that no other make has. Others ignore them.
func WithSouk(opts ...souk.Option) Option {
	return func(o *options) { o.souk = append(o.souk, opts...) }
}

const oldProtocol protocol.ID = "/ipfs/bitswap/1.1.0"

// forSouk translates the options.
func (o *options) forSouk() []souk.Option {
	opts := o.souk
	if o.routing != nil {
		opts = append(opts, souk.WithRouting(o.routing))
	}
	if o.fetchOnly {
		opts = append(opts, souk.WithServerDisabled())
	}
	if o.old {
		opts = append(opts, souk.WithVersions(message.V110))
	}
	return opts
}
