package main

import (
	"errors"
	"time"

	"github.com/spf13/pflag"

	"github.com/souk-p2p/souk/cmd/node/internal/node"
)

// relayOptions say what a node has to do with relays.
type relayOptions struct {
	client      bool
	relays      []string
	holePunch   bool
	service     bool
	serviceData string
	serviceTime time.Duration
}

const (
	// relayData is the usual bound of what is relayed on one connection: eight of the
	// largest blocks. libp2p's own 128 KiB are less than a block of the usual size.
	relayData = "16MiB"
	relayTime = 2 * time.Minute // as in libp2p
)

func (o *relayOptions) flags(f *pflag.FlagSet) {
	f.BoolVar(&o.client, "relay-client", false, "use connections through relays, which see who talks to whom and how much, but not what")
	f.StringSliceVar(&o.relays, "relays", nil, "with --relay-client be reached through these relays, as /ip4/ADDRESS/tcp/PORT/p2p/ID with commas in between; may be repeated")
	f.BoolVar(&o.holePunch, "hole-punching", false, "with --relay-client make direct connections of those through relays; whoever gets through a relay learns this node's addresses")
	f.BoolVar(&o.service, "relay-service", false, "be a relay for whoever asks, which takes bandwidth; this node has to be reachable itself")
	f.StringVar(&o.serviceData, "relay-data", relayData, "as a relay pass at most this much on a connection in each direction")
	f.DurationVar(&o.serviceTime, "relay-time", relayTime, "as a relay end connections after this long")
}

func (o *relayOptions) configure(f *pflag.FlagSet, cfg *node.Config) error {
	relays, wrong := parsePeers("--relays", o.relays)
	cfg.Relaying = node.Relaying{Client: o.client, Relays: relays, HolePunching: o.holePunch}
	if o.service {
		bytes, err := parseSize("--relay-data", o.serviceData)
		if err == nil && bytes == 0 {
			err = usagef("--relay-data %q lets nothing pass", o.serviceData)
		}
		if o.serviceTime <= 0 {
			err = errors.Join(err, usagef("--relay-time %v is not more than 0s", o.serviceTime))
		}
		wrong = errors.Join(wrong, err)
		cfg.Relaying.Service = &node.RelayService{Bytes: bytes, Time: o.serviceTime}
	}
	return errors.Join(wrong, o.fit(f))
}

// fit returns an error for what does not go together.
func (o *relayOptions) fit(f *pflag.FlagSet) error {
	var faults []error
	if len(o.relays) > 0 && !o.client {
		faults = append(faults, usagef("--relays is for clients of relays: give --relay-client, too"))
	}
	if o.holePunch && !o.client {
		faults = append(faults, usagef("--hole-punching is for clients of relays: give --relay-client, too"))
	}
	for _, flag := range []string{"relay-data", "relay-time"} {
		if f.Changed(flag) && !o.service {
			faults = append(faults, usagef("--%s is for relays: give --relay-service, too", flag))
		}
	}
	if o.service && len(o.relays) > 0 {
		faults = append(faults, usagef("--relays is for nodes that cannot be reached, and --relay-service for those that can: leave one out"))
	}
	return errors.Join(faults...)
}
