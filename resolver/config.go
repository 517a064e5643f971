package resolver

import (
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/libp2p/go-libp2p/core/protocol"

	"github.com/souk-p2p/souk/resolver/server"
	"github.com/souk-p2p/souk/resolver/wire"
)

// Config is what a resolver needs. KeySize and Consumer are required; zero fields of
// the rest mean the default that is given with each.
type Config struct {
	// Suffix is that of the protocol, /souk/resolver/1.0.0/SUFFIX, so that several
	// applications share a host: at most 64 of a-z, 0-9, ".", "_" and "-". Resolvers with
	// another suffix are not heard of. Default none.
	Suffix string

	// KeySize is how many bytes every key has, from 1 to [MostKey]. It is the same at all
	// peers of the application.
	KeySize int

	// Consumer says whether values are good.
	Consumer Consumer

	// Producer gives values to others. Default nil: this resolver serves nobody, and
	// other resolvers are told so.
	Producer Producer

	// Peers are those that may be asked. Default [Connected].
	Peers Source

	// Limits bound what is asked of whom.
	Limits Limits

	// Serving bounds what is done for others. Its MaxValue is by default that of Limits.
	Serving ServingLimits

	// Consumers is how many calls of the Consumer there are at once. Default 8: what
	// verifies on every core of a large machine keeps that busy. With 1 values are
	// delivered one after the other.
	Consumers int

	// Mailbox is how many requests of callers wait before further ones block. Default
	// 64: a burst of callers goes on without waiting for each other.
	Mailbox int

	// Seed decides which peer a retry goes to. Default drawn.
	Seed uint64
}

const (
	defaultConsumers = 8
	defaultMailbox   = 64
	// mostMailbox and mostConsumers are beyond what makes sense.
	mostMailbox   = 1 << 16
	mostConsumers = 1 << 12
)

func (c Config) withDefaults() Config {
	set(&c.Consumers, defaultConsumers)
	set(&c.Mailbox, defaultMailbox)
	c.Limits = c.Limits.withDefaults()
	if c.Peers == nil {
		c.Peers = Connected()
	}
	if c.Seed == 0 {
		c.Seed = rand.Uint64()
	}
	return c
}

// validate names the field that is wrong, in a config with its defaults, and returns
// the protocol.
func (c Config) validate() (protocol.ID, error) {
	id, err := wire.ProtocolOf(c.Suffix)
	switch {
	case err != nil:
		return "", fmt.Errorf("resolver: Config.Suffix: %w", err)
	case c.KeySize < 1 || c.KeySize > MostKey:
		return "", fmt.Errorf("resolver: Config.KeySize is %d: from 1 to %d is right", c.KeySize, MostKey)
	case c.Consumer == nil:
		return "", errors.New("resolver: Config.Consumer is nil")
	case c.Consumers < 1 || c.Consumers > mostConsumers:
		return "", fmt.Errorf("resolver: Config.Consumers is %d: from 1 to %d is right", c.Consumers, mostConsumers)
	case c.Mailbox < 1 || c.Mailbox > mostMailbox:
		return "", fmt.Errorf("resolver: Config.Mailbox is %d: from 1 to %d is right", c.Mailbox, mostMailbox)
	}
	if err := c.Limits.validate(); err != nil {
		return "", fmt.Errorf("resolver: Config.Limits: %w", err)
	}
	return id, nil
}

// ServingLimits bound what is done for others.
type ServingLimits = server.Limits
