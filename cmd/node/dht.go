package main

import (
	"slices"

	"github.com/spf13/pflag"

	"github.com/souk-p2p/souk/cmd/node/internal/kademlia"
	"github.com/souk-p2p/souk/cmd/node/internal/node"
)

// dhtOptions say how a node takes part in a DHT.
type dhtOptions struct {
	mode      string
	bootstrap []string
}

// What --dht takes.
const (
	dhtOff    = "off"
	dhtClient = "client"
	dhtServer = "server"
)

// noBootstrap is the --bootstrap of the first node of a DHT.
const noBootstrap = "none"

func (o *dhtOptions) flags(f *pflag.FlagSet) {
	f.StringVar(&o.mode, "dht", dhtOff, "ask a DHT who has what, and tell it what is pinned here, for everybody to see (client); also answer others (server)")
	f.StringSliceVar(&o.bootstrap, "bootstrap", nil, "begin with these nodes of the DHT, as /ip4/ADDRESS/tcp/PORT/p2p/ID with commas in between, or with none; may be repeated (default: libp2p's public ones, but none in a private network)")
}

// configure comes after the options that name addresses, and before those that say
// who may be connected.
func (o *dhtOptions) configure(cfg *node.Config, private bool) error {
	if !slices.Contains([]string{dhtOff, dhtClient, dhtServer}, o.mode) {
		return usagef("--dht %q is neither off, client nor server", o.mode)
	}
	if o.mode == dhtOff {
		if len(o.bootstrap) > 0 {
			return usagef("--bootstrap is for nodes of a DHT: give --dht client or --dht server, too")
		}
		return nil
	}
	d := &node.DHT{Server: o.mode == dhtServer}
	cfg.DHT = d
	switch {
	case slices.Equal(o.bootstrap, []string{noBootstrap}):
	case len(o.bootstrap) > 0:
		var err error
		d.Bootstrap, err = parsePeers("--bootstrap", o.bootstrap)
		return err
	case !private:
		d.Bootstrap, d.Public = kademlia.PublicNodes(), true
	}
	return nil
}
