package resolver_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log"
	"time"

	"github.com/ipfs/go-datastore"
	dssync "github.com/ipfs/go-datastore/sync"
	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk"
	"github.com/souk-p2p/souk/blockstore"
	"github.com/souk-p2p/souk/resolver"
)

// certificates are values whose keys are their fingerprints. They are the consumer and
// the producer of a resolver.
type certificates map[resolver.Key]string

func fingerprint(value []byte) resolver.Key {
	h := sha256.Sum256(value)
	return resolver.Key(h[:])
}

func (c certificates) Deliver(_ context.Context, key resolver.Key, value []byte) bool {
	return fingerprint(value) == key
}

func (c certificates) Failed(key resolver.Key, why error) { log.Println(key, why) }

func (c certificates) Produce(_ context.Context, key resolver.Key) ([]byte, error) {
	if value, known := c[key]; known {
		return []byte(value), nil
	}
	return nil, resolver.ErrNone
}

// Two nodes on one machine: one has a certificate, the other asks for it by its
// fingerprint.
func Example() {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	key := fingerprint([]byte("a certificate"))
	alice, closeAlice := start(ctx, certificates{key: "a certificate"})
	defer closeAlice()
	bob, closeBob := start(ctx, nil, alice)
	defer closeBob()

	value, err := bob.Get(ctx, key, resolver.WithAttempts(10))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n", value)
	// Output: a certificate
}

// at is a resolver and where it can be reached.
type at struct {
	*resolver.Resolver
	peer.AddrInfo
}

// start starts a resolver that serves what it has and asks the given others.
func start(ctx context.Context, has certificates, others ...at) (at, func()) {
	h, err := libp2p.New(libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"))
	if err != nil {
		log.Fatal(err)
	}
	x, err := souk.New(ctx, h, blockstore.New(dssync.MutexWrap(datastore.NewMapDatastore())))
	if err != nil {
		log.Fatal(err)
	}
	peers := resolver.NewSet()
	for _, o := range others {
		peers.Add(o.AddrInfo)
	}
	r, err := resolver.New(ctx, x, resolver.Config{
		Suffix: "certificates", KeySize: sha256.Size, Consumer: has, Producer: has, Peers: peers,
	})
	if err != nil {
		log.Fatal(err)
	}
	return at{r, peer.AddrInfo{ID: h.ID(), Addrs: h.Addrs()}}, func() {
		_, _, _ = r.Close(), x.Close(), h.Close() // In this order.
	}
}
