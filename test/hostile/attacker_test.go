package hostile

import (
	"context"
	"sync"
	"time"

	pb "github.com/ipfs/boxo/bitswap/message/pb"
	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-msgio"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"github.com/souk-p2p/souk/session"
	"github.com/souk-p2p/souk/test/internal/corpus"
)

// The protocols.
const (
	v120 protocol.ID = "/ipfs/bitswap/1.2.0"
	v110 protocol.ID = "/ipfs/bitswap/1.1.0"
	v100 protocol.ID = "/ipfs/bitswap/1.0.0"
	v0   protocol.ID = "/ipfs/bitswap"
)

// attacker is a host that writes the bytes itself.
type attacker struct {
	*arena
	host  host.Host
	speak protocol.ID

	// deaf leaves what the node writes unread.
	deaf bool
	left chan struct{} // closed when it leaves
	made uint64        // blocks of fresh

	mu     sync.Mutex
	said   []*pb.Message // by the node
	answer answer
}

// answer makes the frames that are sent back for an entry of a wantlist of the
// node's that is no cancel.
type answer func(e *pb.Message_Wantlist_Entry) [][]byte

// answers sets how wants are answered from now on.
func (x *attacker) answers(a answer) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.answer = a
}

// newAttacker returns an attacker that is not connected to the node.
func (a *arena) newAttacker(speak protocol.ID) *attacker {
	a.t.Helper()
	return &attacker{arena: a, host: a.place.newHost(a.t, false), speak: speak, left: make(chan struct{})}
}

// newNeighbour is an attacker with an address of its own in the same network.
func (a *arena) newNeighbour(speak protocol.ID) *attacker {
	a.t.Helper()
	return &attacker{arena: a, host: a.place.newHost(a.t, true), speak: speak, left: make(chan struct{})}
}

// joins connects the attacker to the node.
func (x *attacker) joins() {
	x.t.Helper()
	x.host.SetStreamHandler(x.speak, x.listen)
	x.meet(x.host)
}

func (x *attacker) listen(s network.Stream) {
	defer func() { _ = s.Reset() }()
	if x.deaf {
		<-x.left
		return
	}
	in := msgio.NewVarintReaderSize(s, 4<<20)
	for {
		b, err := in.ReadMsg()
		if err != nil {
			return
		}
		m := new(pb.Message)
		if proto.Unmarshal(b, m) != nil {
			return
		}
		x.hear(m)
	}
}

func (x *attacker) hear(m *pb.Message) {
	x.mu.Lock()
	x.said = append(x.said, m)
	answer := x.answer
	x.mu.Unlock()
	for _, e := range m.GetWantlist().GetEntries() {
		if answer != nil && !e.GetCancel() {
			x.sends(answer(e)...)
		}
	}
}

// open opens a stream, which is negotiated with its first bytes. It is nil when
// the node refuses, which is for the case to expect or not.
func (x *attacker) open() network.Stream {
	ctx, cancel := context.WithTimeout(x.t.Context(), 10*time.Second)
	defer cancel()
	s, err := x.host.NewStream(network.WithNoDial(ctx, "attack"), x.self.ID(), x.speak)
	if err != nil {
		return nil
	}
	return s
}

// sends writes frames on a stream of their own and ends it.
func (x *attacker) sends(frames ...[]byte) {
	if s := x.writes(frames...); s != nil {
		_ = s.CloseWrite() // It may be reset by now.
	}
}

// writes writes frames on a stream of their own and leaves it open.
func (x *attacker) writes(frames ...[]byte) network.Stream {
	s := x.open()
	if s == nil {
		return nil
	}
	for _, f := range frames {
		if _, err := s.Write(f); err != nil {
			break // It is reset by now.
		}
	}
	return s
}

// got is what the node has said so far, taken together.
type got struct {
	blocks   map[string]int // by their bytes
	legacy   map[string]int // those in the field of 1.0.0
	haves    map[string]int // by the bytes of their CIDs
	donts    map[string]int
	wanted   map[string]int
	order    []string // the bytes of the blocks, as they came
	prefixes map[string]int
}

func (x *attacker) heard() got {
	x.mu.Lock()
	defer x.mu.Unlock()
	g := got{
		blocks: map[string]int{}, legacy: map[string]int{}, haves: map[string]int{}, donts: map[string]int{},
		wanted: map[string]int{}, prefixes: map[string]int{},
	}
	for _, m := range x.said {
		g.add(m)
	}
	return g
}

func (g *got) add(m *pb.Message) {
	for _, b := range m.GetBlocks() {
		g.legacy[string(b)]++
	}
	for _, b := range m.GetPayload() {
		g.blocks[string(b.GetData())]++
		g.prefixes[string(b.GetPrefix())]++
		g.order = append(g.order, string(b.GetData()))
	}
	for _, p := range m.GetBlockPresences() {
		if p.GetType() == pb.Message_Have {
			g.haves[string(p.GetCid())]++
		} else {
			g.donts[string(p.GetCid())]++
		}
	}
	for _, e := range m.GetWantlist().GetEntries() {
		if !e.GetCancel() {
			g.wanted[string(e.GetBlock())]++
		}
	}
}

// forgets drops what was heard.
func (x *attacker) forgets() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.said = nil
}

// expect waits until what was heard meets a condition.
func (x *attacker) expect(what string, met func(g got) bool) {
	x.t.Helper()
	require.NoError(x.t, x.until(10*time.Second, func() bool { return met(x.heard()) }), what)
}

// served reports whether the node answers a want for what it has.
func (x *attacker) served() bool {
	x.forgets()
	x.sends(frame(wants(x.data[0].Cid())))
	data := string(x.data[0].RawData())
	return x.until(10*time.Second, func() bool {
		g := x.heard()
		return g.blocks[data]+g.legacy[data] > 0
	}) == nil
}

// connections is how many the attacker has to the node.
func (x *attacker) connections() int { return len(x.host.Network().ConnsToPeer(x.self.ID())) }

// fetched is the outcome of a fetch.
type fetched struct {
	block blocks.Block
	err   error
}

// asked starts a fetch at the node, from the attacker and, where with says so, from
// the honest peer as well. A session that only has the attacker waits for it.
func (x *attacker) asked(ctx context.Context, c cid.Cid, with ...peer.ID) <-chan fetched {
	ctx, end := context.WithCancel(ctx)
	s := x.node.NewSession(ctx, session.WithPeers(append(with, x.host.ID())...), session.WithWaiting())
	done := make(chan fetched, 1)
	go func() {
		defer end()
		b, err := s.GetBlock(ctx, c)
		done <- fetched{b, err}
	}()
	return done
}

// wanted waits until the node has asked the attacker for a block.
func (x *attacker) wanted(c cid.Cid) {
	x.t.Helper()
	x.expect("the node wants it", func(g got) bool { return g.wanted[string(c.Bytes())] > 0 })
}

// delivers waits for a fetch that must succeed.
func (x *attacker) delivers(done <-chan fetched, want blocks.Block) {
	x.t.Helper()
	select {
	case f := <-done:
		require.NoError(x.t, f.err)
		require.Equal(x.t, want.Cid(), f.block.Cid())
		require.Equal(x.t, want.RawData(), f.block.RawData())
	case <-time.After(time.Minute):
		x.t.Fatal("the fetch does not end")
	}
}

// fresh is a block that only the test knows. Each call makes another.
func (x *attacker) fresh(size int) blocks.Block {
	x.made++
	return corpus.Blocks(1000+x.made, 1, size)[0]
}

// kept reports whether the node has stored a block.
func (x *attacker) kept(c cid.Cid) bool {
	x.t.Helper()
	has, err := x.node.Has(x.t.Context(), c)
	require.NoError(x.t, err)
	return has
}
