package wire

import (
	"bytes"
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ipfs/boxo/bitswap/message"
	pb "github.com/ipfs/boxo/bitswap/message/pb"
	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/ipfs/go-datastore"
	dssync "github.com/ipfs/go-datastore/sync"
	"github.com/multiformats/go-multihash"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/souk-p2p/souk"
	"github.com/souk-p2p/souk/blockstore"
	"github.com/souk-p2p/souk/test/internal/exchanges"
	"github.com/souk-p2p/souk/test/internal/tally"
	"github.com/souk-p2p/souk/test/sim"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	kib = 1 << 10
	mbs = 1_000_000
)

// lan is the link of every node unless a scenario is about the link.
var lan = sim.Link{RoundTrip: 20 * time.Millisecond, Bandwidth: 100 * mbs}

var both = []exchanges.Make{exchanges.MakeSouk, exchanges.MakeBoxo}

// play runs a scenario in a world of its own, and counts it once it has passed.
func play(t *testing.T, scenario func(t *testing.T, w *sim.World)) {
	t.Helper()
	playAll(t, 1, scenario)
}

// playAll is [play] for a number of scenarios that share a world.
func playAll(t *testing.T, count int, scenarios func(t *testing.T, w *sim.World)) {
	t.Helper()
	if count > 0 {
		tally.Add(t, tally.Scenarios, count)
	}
	synctest.Test(t, func(t *testing.T) {
		w := sim.NewWorld(t)
		defer w.End()
		scenarios(t, w)
	})
}

// repeat plays a scenario whose outcome depends on the schedule a number of
// times, and counts it as one.
func repeat(t *testing.T, times int, scenario func(t *testing.T, w *sim.World)) {
	t.Helper()
	tally.Add(t, tally.Scenarios, 1)
	for range times {
		playAll(t, 0, scenario)
	}
}

// each plays a scenario with a node of each make.
func each(t *testing.T, makes []exchanges.Make, scenario func(t *testing.T, w *sim.World, m exchanges.Make)) {
	for _, m := range makes {
		t.Run(string(m), func(t *testing.T) {
			play(t, func(t *testing.T, w *sim.World) { scenario(t, w, m) })
		})
	}
}

// soukWith adds a node of ours with options.
func soukWith(t *testing.T, w *sim.World, opts ...souk.Option) *sim.Node {
	n := w.Host(lan)
	x, err := exchanges.NewSouk(n.Host, opts...)
	require.NoError(t, err)
	n.Exchange = x
	return n
}

// opposite adds a node that has blocks, and a peer that speaks by hand and is connected
// to it.
func opposite(w *sim.World, m exchanges.Make, has ...blocks.Block) (*sim.Node, *sim.Recorder) {
	server, partner := w.Node(m, lan), w.Recorder(lan, nil)
	w.Put(server, has...)
	w.Connect(partner.Node, server)
	w.Settle()
	return server, partner
}

// gate is a datastore whose sizes and whose values can be held back.
type gate struct {
	datastore.Batching

	mu           sync.Mutex
	sizes, reads chan struct{} // closed when open; nil is open
}

func newGate() *gate { return &gate{Batching: dssync.MutexWrap(datastore.NewMapDatastore())} }

// GetSize waits until sizes are let through.
func (g *gate) GetSize(ctx context.Context, k datastore.Key) (int, error) {
	if err := g.pass(ctx, &g.sizes); err != nil {
		return 0, err
	}
	return g.Batching.GetSize(ctx, k)
}

// Get waits until values are let through.
func (g *gate) Get(ctx context.Context, k datastore.Key) ([]byte, error) {
	if err := g.pass(ctx, &g.reads); err != nil {
		return nil, err
	}
	return g.Batching.Get(ctx, k)
}

func (g *gate) pass(ctx context.Context, closed *chan struct{}) error {
	g.mu.Lock()
	ch := *closed
	g.mu.Unlock()
	if ch == nil {
		return nil
	}
	select {
	case <-ch:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (g *gate) hold(held *chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	*held = make(chan struct{})
}

func (g *gate) release(held *chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if *held != nil {
		close(*held)
		*held = nil
	}
}

// gated adds a node of a make over a gate.
func gated(t *testing.T, w *sim.World, m exchanges.Make, opts ...souk.Option) (*sim.Node, *gate) {
	n, g := w.Host(lan), newGate()
	if m == exchanges.MakeBoxo {
		n.Exchange = exchanges.NewBoxoOver(n.Host, g)
		return n, g
	}
	x, err := exchanges.NewSoukOver(n.Host, blockstore.New(g), opts...)
	require.NoError(t, err)
	n.Exchange = x
	return n, g
}

// letterSize is over what servers send in place of a HAVE.
const letterSize = 2 * kib

// letter is the block that a letter stands for.
func letter(r rune) blocks.Block { return sized(r, letterSize) }

func sized(r rune, size int) blocks.Block {
	data := bytes.Repeat([]byte(string(r)), size)
	c, err := cid.Prefix{Version: 1, Codec: cid.Raw, MhType: multihash.SHA2_256, MhLength: -1}.Sum(data)
	if err != nil {
		panic(err) // sha2-256 is always there
	}
	b, _ := blocks.NewBlockWithCid(data, c) // never fails
	return b
}

func letters(s string) []blocks.Block {
	var bs []blocks.Block
	for _, r := range s {
		bs = append(bs, letter(r))
	}
	return bs
}

func cids(s string) []cid.Cid {
	var cs []cid.Cid
	for _, r := range s {
		cs = append(cs, letter(r).Cid())
	}
	return cs
}

// ask is a wantlist in letters. The first letters have the highest priority, and
// want-haves come before want-blocks.
type ask struct {
	blocks, haves, cancels string
	dontHave               bool // ask for DONT_HAVE
	full                   bool // replaces what was asked before
}

func (a ask) message() message.BitSwapMessage {
	m := message.New(a.full)
	priority := int32(len(a.haves) + len(a.blocks))
	for _, c := range cids(a.haves) {
		m.AddEntry(c, priority, pb.Message_Wantlist_Have, a.dontHave)
		priority--
	}
	for _, c := range cids(a.blocks) {
		m.AddEntry(c, priority, pb.Message_Wantlist_Block, a.dontHave)
		priority--
	}
	for _, c := range cids(a.cancels) {
		m.Cancel(c)
	}
	return m
}

// answer is what a server says, in letters.
type answer struct{ blocks, haves, dontHaves string }

func (a answer) message() message.BitSwapMessage {
	m := message.New(false)
	for _, b := range letters(a.blocks) {
		m.AddBlock(b)
	}
	for _, c := range cids(a.haves) {
		m.AddHave(c)
	}
	for _, c := range cids(a.dontHaves) {
		m.AddDontHave(c)
	}
	return m
}

// names spells the CIDs of letters.
var names = func() map[cid.Cid]string {
	byCID := make(map[cid.Cid]string)
	for r := '0'; r <= 'z'; r++ {
		byCID[letter(r).Cid()] = string(r)
	}
	return byCID
}()

// spell writes the elements of some kinds in letters, in the order in which they
// came. What is no letter becomes a question mark.
func spell(es []sim.Element, kinds ...sim.Kind) string {
	var s string
	for _, e := range es {
		switch name := names[e.CID]; {
		case !slices.Contains(kinds, e.Kind):
		case name == "":
			s += "?"
		default:
			s += name
		}
	}
	return s
}

// sorted puts the letters of a word in order.
func sorted(s string) string {
	b := []byte(s)
	slices.Sort(b)
	return string(b)
}

// answered is what a server has said, each kind in order of the letters.
func answered(es []sim.Element) answer {
	return answer{
		blocks:    sorted(spell(es, sim.Block)),
		haves:     sorted(spell(es, sim.Have)),
		dontHaves: sorted(spell(es, sim.DontHave)),
	}
}
