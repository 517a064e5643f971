package stress

import (
	"context"
	"encoding/base32"
	"slices"
	"sync"

	"github.com/ipfs/go-cid"
	"github.com/ipfs/go-datastore"
	"github.com/libp2p/go-libp2p/core/connmgr"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/multiformats/go-multihash"
)

// trap panics the first times that a place is passed, once it is set.
type trap struct {
	mu  sync.Mutex
	set map[string]int
}

func newTrap() *trap { return &trap{set: make(map[string]int)} }

func (t *trap) arm(place string, times int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.set[place] = times
}

func (t *trap) pass(place string) {
	t.mu.Lock()
	sprung := t.set[place] > 0
	if sprung {
		t.set[place]--
	}
	t.mu.Unlock()
	if sprung {
		panic("brittle: " + place)
	}
}

// brittleHost is a host whose parts panic where the trap is set.
type brittleHost struct {
	host.Host
	trap *trap
}

func (h brittleHost) Connect(ctx context.Context, p peer.AddrInfo) error {
	h.trap.pass("connect")
	return h.Host.Connect(ctx, p)
}

func (h brittleHost) SetStreamHandler(id protocol.ID, handle network.StreamHandler) {
	h.Host.SetStreamHandler(id, func(s network.Stream) { handle(brittleStream{s, h.trap, "inbound "}) })
}

func (h brittleHost) Network() network.Network { return brittleNetwork{h.Host.Network(), h.trap} }

func (h brittleHost) ConnManager() connmgr.ConnManager {
	return brittleManager{h.Host.ConnManager(), h.trap}
}

type brittleNetwork struct {
	network.Network
	trap *trap
}

func (n brittleNetwork) NewStream(ctx context.Context, p peer.ID) (network.Stream, error) {
	n.trap.pass("open")
	s, err := n.Network.NewStream(ctx, p)
	if err != nil {
		return nil, err
	}
	return brittleStream{s, n.trap, "outbound "}, nil
}

func (n brittleNetwork) ConnsToPeer(p peer.ID) []network.Conn {
	n.trap.pass("connections")
	return n.Network.ConnsToPeer(p)
}

type brittleManager struct {
	connmgr.ConnManager
	trap *trap
}

func (m brittleManager) Protect(p peer.ID, tag string) {
	m.trap.pass("protect")
	m.ConnManager.Protect(p, tag)
}

type brittleStream struct {
	network.Stream
	trap *trap
	kind string
}

func (s brittleStream) Read(b []byte) (int, error) {
	s.trap.pass(s.kind + "read")
	return s.Stream.Read(b)
}

func (s brittleStream) Write(b []byte) (int, error) {
	s.trap.pass(s.kind + "write")
	return s.Stream.Write(b)
}

func (s brittleStream) Reset() error {
	s.trap.pass(s.kind + "reset")
	return s.Stream.Reset()
}

// hooked is a datastore in memory that calls a hook before each operation on a
// key: the hook may panic, block, or return an error that the operation fails
// with.
type hooked struct {
	datastore.Batching
	hook func(op string, hash multihash.Multihash) error
}

func newHooked(hook func(op string, hash multihash.Multihash) error) *hooked {
	return &hooked{inMemory(), hook}
}

// on returns a hook that runs f at an operation on one of the CIDs.
func on(op string, f func() error, cids ...cid.Cid) func(string, multihash.Multihash) error {
	return func(at string, hash multihash.Multihash) error {
		same := func(c cid.Cid) bool { return string(c.Hash()) == string(hash) }
		if at != op || !slices.ContainsFunc(cids, same) {
			return nil
		}
		return f()
	}
}

func (d *hooked) at(op string, key datastore.Key) error { return d.hook(op, hashOf(key)) }

// hashOf is the multihash of the block that is kept under a key.
func hashOf(key datastore.Key) multihash.Multihash {
	hash, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(key.BaseNamespace())
	if err != nil {
		panic(err) // Nothing else is kept there.
	}
	return hash
}

func (d *hooked) Has(ctx context.Context, key datastore.Key) (bool, error) {
	if err := d.at("has", key); err != nil {
		return false, err
	}
	return d.Batching.Has(ctx, key)
}

func (d *hooked) Get(ctx context.Context, key datastore.Key) ([]byte, error) {
	if err := d.at("get", key); err != nil {
		return nil, err
	}
	return d.Batching.Get(ctx, key)
}

func (d *hooked) GetSize(ctx context.Context, key datastore.Key) (int, error) {
	if err := d.at("size", key); err != nil {
		return -1, err
	}
	return d.Batching.GetSize(ctx, key)
}

func (d *hooked) Put(ctx context.Context, key datastore.Key, value []byte) error {
	if err := d.at("put", key); err != nil {
		return err
	}
	return d.Batching.Put(ctx, key, value)
}

func (d *hooked) Batch(ctx context.Context) (datastore.Batch, error) {
	b, err := d.Batching.Batch(ctx)
	return hookedBatch{b, d}, err
}

type hookedBatch struct {
	datastore.Batch
	data *hooked
}

func (b hookedBatch) Put(ctx context.Context, key datastore.Key, value []byte) error {
	if err := b.data.at("put", key); err != nil {
		return err
	}
	return b.Batch.Put(ctx, key, value)
}
