// Signedlog resolves a log: entries that an author has signed, each with the hash of the
// one before it, which are asked for by their number. Four nodes in one process: two
// have the log, a third serves forgeries of it, and the fourth fetches it.
//
//	go run ./examples/signedlog
package main

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/ipfs/go-datastore"
	dssync "github.com/ipfs/go-datastore/sync"
	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk"
	"github.com/souk-p2p/souk/blockstore"
	"github.com/souk-p2p/souk/resolver"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := run(ctx); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) (err error) {
	author, entries, err := write("three measures of saffron", "one of pepper", "saffron again", "nothing", "saffron, for the last time")
	if err != nil {
		return err
	}
	var peers []peer.AddrInfo
	for i := range 3 {
		has := newLog()
		for key, entry := range entries {
			has.add(key, entry)
		}
		var serves resolver.Producer = has
		if i == 0 {
			serves = forger{has}
		}
		n, err := start(ctx, has, serves, resolver.NewSet())
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, n.close()) }()
		peers = append(peers, peer.AddrInfo{ID: n.host.ID(), Addrs: n.host.Addrs()})
	}
	wants := newLog()
	reader, err := start(ctx, wants, wants, resolver.NewSet(peers...))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, reader.close()) }()
	if err := try(ctx, reader.resolver, keyOf(author, 1), peers[0].ID); err != nil {
		return err
	}
	return read(ctx, reader.resolver, wants, author, uint64(len(entries)))
}

// try asks one peer alone, once, for an entry that it forges.
func try(ctx context.Context, r *resolver.Resolver, key resolver.Key, from peer.ID) error {
	_, err := r.Get(ctx, key, resolver.From(from), resolver.WithAttempts(1))
	if !errors.Is(err, resolver.ErrAttempts) {
		return fmt.Errorf("the forger was believed: %w", err)
	}
	fmt.Println("the first peer alone has no good entry")
	return nil
}

// write makes a log.
func write(texts ...string) (ed25519.PublicKey, map[resolver.Key][]byte, error) {
	author, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		return nil, nil, err
	}
	entries := make(map[resolver.Key][]byte)
	var before []byte
	for i, text := range texts {
		number := uint64(i + 1)
		before = sign(private, number, before, text)
		entries[keyOf(author, number)] = before
	}
	return author, entries, nil
}

// read fetches a log of which the author and the length are known, and prints it.
func read(ctx context.Context, r *resolver.Resolver, has *signedLog, author ed25519.PublicKey, length uint64) error {
	var keys []resolver.Key
	for number := uint64(1); number <= length; number++ {
		keys = append(keys, keyOf(author, number))
	}
	if err := r.FetchAll(ctx, keys); err != nil { // All are under way from here on.
		return err
	}
	for i, key := range keys {
		entry, err := r.Get(ctx, key)
		if err != nil {
			return err
		}
		fmt.Printf("%d %s\n", i+1, says(entry))
	}
	if err := has.check(author, length); err != nil {
		return err
	}
	stat, err := r.Stat(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("%d of %d peers blocked\n", stat.Blocked, stat.Peers)
	return nil
}

// node is a host with an exchange and a resolver on it.
type node struct {
	host     host.Host
	exchange *souk.Exchange
	resolver *resolver.Resolver
}

func start(ctx context.Context, consumer resolver.Consumer, producer resolver.Producer, peers resolver.Source) (*node, error) {
	h, err := libp2p.New(libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"))
	if err != nil {
		return nil, err
	}
	x, err := souk.New(ctx, h, blockstore.New(dssync.MutexWrap(datastore.NewMapDatastore())))
	if err != nil {
		return nil, errors.Join(err, h.Close())
	}
	r, err := resolver.New(ctx, x, resolver.Config{
		Suffix: "signed-log", KeySize: keySize, Consumer: consumer, Producer: producer, Peers: peers,
	})
	if err != nil {
		return nil, errors.Join(err, x.Close(), h.Close())
	}
	return &node{h, x, r}, nil
}

// close ends the resolver and the exchange before the host.
func (n *node) close() error {
	return errors.Join(n.resolver.Close(), n.exchange.Close(), n.host.Close())
}
