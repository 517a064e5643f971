// Package demo shows on one machine what Souk does: a tracker, a node that has a
// tree of files, two nodes that have one half of its blocks each, and a node that
// is told nothing but the tracker and the namespace that the three announce, and
// fetches all of it. The one that has everything is stopped when half is done; the
// download must not notice.
//
// The nodes are real: each has a libp2p host of its own on the loopback
// interface and a store of its own on disk, and they share nothing else.
package demo

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
	"go.uber.org/zap"

	"github.com/souk-p2p/souk"
	"github.com/souk-p2p/souk/adapter/pebbledb"
	"github.com/souk-p2p/souk/adapter/unixfs"
	"github.com/souk-p2p/souk/blockstore"
	"github.com/souk-p2p/souk/cmd/node/internal/node"
	"github.com/souk-p2p/souk/cmd/node/internal/repo"
)

// The roles of the nodes.
const (
	Tracking    = "tracker"
	Everything  = "everything"
	FirstHalf   = "first half"
	OtherHalf   = "other half"
	Downloading = "downloader"
)

// Namespace is what the nodes that share announce. The tracker knows no others.
const Namespace = "souk-demo"

// trackerMemory is plenty for three rows.
const trackerMemory = 8 << 20

// Config says what is shown.
type Config struct {
	// Path is the file or directory that is shared; see [DefaultPath].
	Path string
	// Agent is what the nodes call themselves.
	Agent string
	// Adding and Fetching, if set, receive events while the tree is added and
	// fetched.
	Adding, Fetching func(unixfs.Event)
	// Log is silent when nil.
	Log *zap.Logger
}

// Demo is the five nodes and what three of them share.
type Demo struct {
	// Root is what was added, in how many distinct blocks of how many bytes.
	Root   unixfs.Root
	Blocks uint64
	Bytes  uint64
	// Nodes are in the order of the roles.
	Nodes []*Node

	cfg Config
	dir string // temporary
}

// Node is one of the nodes.
type Node struct {
	*node.Online
	Role   string
	Blocks uint64 // that it was given
	Bytes  uint64

	store   blockstore.Blockstore
	data    *pebbledb.Datastore
	stopped bool
}

// New starts the nodes that share, gives them their blocks, and starts the one
// that downloads. The caller closes the demo.
func New(ctx context.Context, cfg Config) (*Demo, error) {
	dir, err := os.MkdirTemp("", "souk-demo-")
	if err != nil {
		return nil, fmt.Errorf("make a temporary directory: %w", err)
	}
	d := &Demo{cfg: cfg, dir: dir}
	if err := d.share(ctx); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

func (d *Demo) share(ctx context.Context) error {
	if err := d.start(ctx, Tracking, trackerConfig()); err != nil {
		return err
	}
	for _, role := range []string{Everything, FirstHalf, OtherHalf} {
		if err := d.start(ctx, role, node.Config{Trackers: d.trackers()}); err != nil {
			return err
		}
	}
	s := &spread{everything: d.everything(), halves: d.halves(), seen: make(map[cid.Cid]struct{})}
	root, err := unixfs.Add(ctx, s, d.cfg.Path, unixfs.AddOptions{Hidden: true, Progress: d.cfg.Adding})
	if err != nil {
		return fmt.Errorf("add %s: %w", d.cfg.Path, err)
	}
	d.Root, d.Blocks, d.Bytes = root, d.everything().Blocks, d.everything().Bytes
	for _, n := range d.sharers() {
		if err := n.Announce(ctx, repo.Announcement{Namespace: Namespace, Partial: n.Role != Everything}); err != nil {
			return err
		}
	}
	return d.start(ctx, Downloading, node.Config{
		Trackers: d.trackers(), Exchange: []souk.Option{souk.WithFetchBytes(d.ahead(), d.ahead())},
	})
}

func trackerConfig() node.Config {
	cfg := souk.TrackerConfig{}
	cfg.Limits.TableBytes = trackerMemory
	return node.Config{Tracker: &cfg}
}

// The nodes by what they do.
func (d *Demo) tracker() *Node    { return d.Nodes[0] }
func (d *Demo) everything() *Node { return d.Nodes[1] }
func (d *Demo) halves() []*Node   { return d.Nodes[2:4] }
func (d *Demo) sharers() []*Node  { return d.Nodes[1:4] }

// Downloader is the node that fetches.
func (d *Demo) Downloader() *Node { return d.Nodes[4] }

func (d *Demo) trackers() []peer.AddrInfo { return []peer.AddrInfo{d.tracker().Address()} }

// ahead is how many bytes the downloader has under way at most: little enough
// that half is not everything, and not more than is usual.
func (d *Demo) ahead() int {
	const least, most = 4 << 10, 16 << 20
	return int(min(max(d.Bytes/16, least), most))
}

// start brings up one node on the loopback interface.
func (d *Demo) start(ctx context.Context, role string, cfg node.Config) error {
	data, err := pebbledb.Open(filepath.Join(d.dir, role))
	if err != nil {
		return fmt.Errorf("make the store of %q: %w", role, err)
	}
	// What is here for a minute need not outlive a power failure.
	n := &Node{Role: role, data: data, store: blockstore.New(data, blockstore.WithTrustedReads(), blockstore.WithoutSync())}
	key, _, err := crypto.GenerateEd25519Key(rand.Reader)
	if err == nil {
		cfg.Listen = []ma.Multiaddr{ma.StringCast("/ip4/127.0.0.1/tcp/0"), ma.StringCast("/ip4/127.0.0.1/udp/0/quic-v1")}
		cfg.Agent, cfg.Log = d.cfg.Agent, d.cfg.Log
		n.Online, err = node.Start(ctx, key, n.store, cfg)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("start %q: %w", role, err), data.Close())
	}
	d.Nodes = append(d.Nodes, n)
	return nil
}

// RoleOf names the node with an id.
func (d *Demo) RoleOf(id peer.ID) string {
	for _, n := range d.Nodes {
		if n.Host.ID() == id {
			return n.Role
		}
	}
	return id.String()
}

// stop ends a node. Its store is empty for everybody else.
func (n *Node) stop() error {
	if n.stopped {
		return nil
	}
	n.stopped = true
	return errors.Join(n.Online.Close(), n.data.Close())
}

// Address is where a node is reached.
func (n *Node) Address() peer.AddrInfo {
	return peer.AddrInfo{ID: n.Host.ID(), Addrs: n.Host.Network().ListenAddresses()}
}

// Close stops the nodes and removes what they stored.
func (d *Demo) Close() error {
	var failed error
	for _, n := range d.Nodes {
		failed = errors.Join(failed, n.stop())
	}
	return errors.Join(failed, os.RemoveAll(d.dir))
}
