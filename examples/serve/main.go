// Serve serves a file or directory until it is interrupted:
//
//	go run ./examples/serve PATH
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"os/signal"

	"github.com/ipfs/go-datastore"
	dssync "github.com/ipfs/go-datastore/sync"
	"github.com/libp2p/go-libp2p"

	"github.com/souk-p2p/souk"
	"github.com/souk-p2p/souk/adapter/unixfs"
	"github.com/souk-p2p/souk/blockstore"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if len(os.Args) != 2 {
		log.Fatal("usage: serve PATH")
	}
	if err := run(ctx, os.Args[1]); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, path string) (err error) {
	h, err := libp2p.New(libp2p.ListenAddrStrings("/ip4/0.0.0.0/tcp/0"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.Close()) }()

	// Blocks in memory: any datastore.Batching does, and its blocks are still there
	// after a restart if it keeps them.
	store := blockstore.New(dssync.MutexWrap(datastore.NewMapDatastore()))
	root, err := unixfs.Add(ctx, store, path, unixfs.AddOptions{})
	if err != nil {
		return err
	}
	x, err := souk.New(ctx, h, store)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, x.Close()) }()

	fmt.Println(root.CID)
	for _, a := range h.Addrs() {
		fmt.Printf("%s/p2p/%s\n", a, h.ID())
	}
	fmt.Println("ready")
	select {
	case <-ctx.Done():
		return nil
	case <-x.Done(): // by itself: Close says why
		return nil
	}
}
