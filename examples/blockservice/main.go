// Blockservice shows Souk below boxo's block service: two nodes in one process, of
// which one fetches from the other.
//
//	go run ./examples/blockservice
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/ipfs/boxo/blockservice"
	boxostore "github.com/ipfs/boxo/blockstore"
	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-datastore"
	dssync "github.com/ipfs/go-datastore/sync"
	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk"
	"github.com/souk-p2p/souk/adapter/boxo"
	"github.com/souk-p2p/souk/blockstore"
)

// node is what a program that uses boxo has.
type node struct {
	host   host.Host
	blocks blockservice.BlockService
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := run(ctx); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) (err error) {
	alice, err := newNode(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, alice.close()) }()
	bob, err := newNode(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, bob.close()) }()

	block := blocks.NewBlock([]byte("three measures of saffron"))
	if err := alice.blocks.AddBlock(ctx, block); err != nil {
		return err
	}
	at := peer.AddrInfo{ID: alice.host.ID(), Addrs: alice.host.Addrs()}
	if err := bob.host.Connect(ctx, at); err != nil {
		return err
	}
	got, err := bob.blocks.GetBlock(ctx, block.Cid())
	if err != nil {
		return err
	}
	fmt.Printf("%s\n", got.RawData())
	return nil
}

func newNode(ctx context.Context) (*node, error) {
	h, err := libp2p.New(libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"))
	if err != nil {
		return nil, err
	}
	data := dssync.MutexWrap(datastore.NewMapDatastore())
	// The block service stores what it fetches, hence WithoutStoring.
	x, err := souk.New(ctx, h, blockstore.New(data), souk.WithoutStoring())
	if err != nil {
		return nil, errors.Join(err, h.Close())
	}
	return &node{h, blockservice.New(boxostore.NewBlockstore(data), boxo.Exchange(x))}, nil
}

// close ends the exchange, which the block service closes, before its host.
func (n *node) close() error { return errors.Join(n.blocks.Close(), n.host.Close()) }
