// Fetch writes a file or directory that it fetches from the peers that it is told of,
// and from nobody else:
//
//	go run ./examples/fetch CID OUTPUT MULTIADDR...
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"os/signal"

	"github.com/ipfs/go-cid"
	"github.com/ipfs/go-datastore"
	dssync "github.com/ipfs/go-datastore/sync"
	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk"
	"github.com/souk-p2p/souk/adapter/unixfs"
	"github.com/souk-p2p/souk/blockstore"
	"github.com/souk-p2p/souk/session"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if len(os.Args) < 4 {
		log.Fatal("usage: fetch CID OUTPUT MULTIADDR...")
	}
	if err := run(ctx, os.Args[1], os.Args[2], os.Args[3:]); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, root, output string, addresses []string) (err error) {
	c, err := cid.Decode(root)
	if err != nil {
		return fmt.Errorf("CID %q: %w", root, err)
	}
	h, err := libp2p.New(libp2p.NoListenAddrs)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.Close()) }()

	store := blockstore.New(dssync.MutexWrap(datastore.NewMapDatastore()))
	x, err := souk.New(ctx, h, store)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, x.Close()) }()

	peers, err := connect(ctx, h, addresses)
	if err != nil {
		return err
	}
	s := x.NewSession(ctx, session.WithPeers(peers...))
	sum, err := unixfs.Get(ctx, s, c, output, unixfs.GetOptions{})
	if err != nil {
		return err
	}
	for _, l := range x.Ledgers() {
		fmt.Printf("%d bytes in %d blocks from %s\n", sum.Bytes, sum.Blocks, l.Peer)
	}
	return nil
}

// connect dials the peers and returns who they are.
func connect(ctx context.Context, h host.Host, addresses []string) ([]peer.ID, error) {
	var peers []peer.ID
	for _, address := range addresses {
		at, err := peer.AddrInfoFromString(address)
		if err != nil {
			return nil, fmt.Errorf("address %q: %w", address, err)
		}
		if err := h.Connect(ctx, *at); err != nil {
			return nil, err
		}
		peers = append(peers, at.ID)
	}
	return peers, nil
}
