package main

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/pnet"
	ma "github.com/multiformats/go-multiaddr"
	"github.com/spf13/pflag"

	"github.com/souk-p2p/souk/cmd/node/internal/node"
)

// privateOptions say who may connect to a node.
type privateOptions struct {
	key   string   // file
	allow []string // peer IDs
}

func (o *privateOptions) flags(f *pflag.FlagSet) {
	f.StringVar(&o.key, "pnet-key", "", "connect only to nodes that have this file, as Kubo's swarm.key; over TCP alone")
	f.StringSliceVar(&o.allow, "allow-peers", nil, "connect only to these peer IDs, and those of --peer, --trackers, --relays and --bootstrap; with commas, or repeated (default: everybody)")
}

// configure comes after the options that name addresses, peers, trackers, relays and nodes of a DHT.
func (o *privateOptions) configure(cfg *node.Config) error {
	return errors.Join(o.enclose(cfg), o.admit(cfg))
}

// isPrivate reports whether the network is not everybody's.
func (o *privateOptions) isPrivate() bool { return o.key != "" || len(o.allow) > 0 }

// enclose puts a node into the private network of the key.
func (o *privateOptions) enclose(cfg *node.Config) (err error) {
	if o.key == "" {
		return nil
	}
	if cfg.PSK, err = readSwarmKey(o.key); err != nil {
		return usagef("--pnet-key %q: %w", o.key, err)
	}
	if cfg.Relaying.HolePunching {
		return usagef("--hole-punching works over QUIC, which --pnet-key turns off: leave one out")
	}
	given := len(cfg.Listen)
	cfg.Listen = slices.DeleteFunc(slices.Clone(cfg.Listen), overUDP)
	if given > 0 && len(cfg.Listen) == 0 {
		return usagef("--pnet-key works over TCP alone, and every --listen is over UDP: add one as /ip4/0.0.0.0/tcp/4101")
	}
	return nil
}

func overUDP(a ma.Multiaddr) bool {
	_, err := a.ValueForProtocol(ma.P_UDP)
	return err == nil
}

// readSwarmKey reads a key, which whoever can read it can use.
func readSwarmKey(path string) (pnet.PSK, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, fmt.Errorf("it has mode %04o, so others may read the key: run chmod 600 %s", mode, path)
	}
	key, err := pnet.DecodeV1PSK(f)
	if err != nil {
		return nil, errors.New("it is no key: three lines are expected, /key/swarm/psk/1.0.0/, /base16/ and 64 hexadecimal digits")
	}
	return key, nil
}

// admit lets in who is on the list, and who was named otherwise.
func (o *privateOptions) admit(cfg *node.Config) error {
	cfg.Allowed = nil
	if len(o.allow) == 0 {
		return nil
	}
	for _, text := range o.allow {
		id, err := peer.Decode(text)
		if err != nil {
			return usagef("--allow-peers %q is not a peer ID (\"souk id\" prints that of a repository): %w", text, err)
		}
		cfg.Allowed = append(cfg.Allowed, id)
	}
	named := slices.Concat(cfg.Peers, cfg.Trackers, cfg.Relaying.Relays)
	if cfg.DHT != nil {
		named = append(named, cfg.DHT.Bootstrap...)
	}
	for _, p := range named {
		cfg.Allowed = append(cfg.Allowed, p.ID)
	}
	return nil
}

// applyNeighbours says who may be connected, which peers to stay connected to and which
// trackers there are. They go together: who is named is let in as well, and before it is
// dialled. An error is that the node is closing.
func applyNeighbours(r *running, p *plan) error {
	r.node.Allow(p.node.Allowed)
	r.node.Keep(p.node.Peers)
	return r.node.SetTrackers(p.node.Trackers)
}
