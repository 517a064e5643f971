package souk_test

import (
	"context"
	"fmt"
	"log"
	"time"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-datastore"
	dssync "github.com/ipfs/go-datastore/sync"
	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk"
	"github.com/souk-p2p/souk/blockstore"
	"github.com/souk-p2p/souk/session"
)

// Two nodes on one machine: one has a block, the other fetches it from the
// first and from nobody else.
func Example() {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	alice, aliceHost := newNode(ctx)
	bob, bobHost := newNode(ctx)
	defer closeNode(alice, aliceHost)
	defer closeNode(bob, bobHost)

	block := blocks.NewBlock([]byte("three measures of saffron"))
	if err := alice.Put(ctx, block); err != nil {
		log.Fatal(err)
	}

	at := peer.AddrInfo{ID: aliceHost.ID(), Addrs: aliceHost.Addrs()}
	if err := bobHost.Connect(ctx, at); err != nil {
		log.Fatal(err)
	}
	s := bob.NewSession(ctx, session.WithPeers(at.ID))
	got, err := s.GetBlock(ctx, block.Cid())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n", got.RawData())
	// Output: three measures of saffron
}

// newNode is a libp2p host on the loopback interface with an exchange over a
// store in memory.
func newNode(ctx context.Context) (*souk.Exchange, host.Host) {
	h, err := libp2p.New(libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"))
	if err != nil {
		log.Fatal(err)
	}
	store := blockstore.New(dssync.MutexWrap(datastore.NewMapDatastore()))
	x, err := souk.New(ctx, h, store)
	if err != nil {
		log.Fatal(err)
	}
	return x, h
}

// closeNode ends the exchange before the host that it runs on.
func closeNode(x *souk.Exchange, h host.Host) {
	if err := x.Close(); err != nil {
		log.Print(err)
	}
	if err := h.Close(); err != nil {
		log.Print(err)
	}
}
