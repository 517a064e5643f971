package souk_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/ipfs/go-datastore"
	dssync "github.com/ipfs/go-datastore/sync"
	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/net/connmgr"
	"github.com/multiformats/go-multihash"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk"
	"github.com/souk-p2p/souk/blockstore"
	"github.com/souk-p2p/souk/session"
	"github.com/souk-p2p/souk/test/eventually"
)

func TestFetchFromAConnectedPeer(t *testing.T) {
	a, b := start(t), start(t)
	bs := random(20, 10_000)
	a.put(t, bs...)
	b.connect(t, a)
	fetch(t, b, bs)
	fetch(t, b, bs) // The second time from the own store.
	require.EqualValues(t, 20, b.Stat().BlocksReceived)
	eventually.True(t, func() bool { return b.has(t, bs[19].Cid()) })
}

func TestFetchFromAPeerThatIsNotConnectedYet(t *testing.T) {
	a := start(t)
	b := start(t, souk.WithProviders(a.info()))
	bs := random(3, 100)
	a.put(t, bs...)
	fetch(t, b, bs)
}

func TestFetchedBlocksAreServedOn(t *testing.T) {
	a, b, c := start(t), start(t), start(t)
	bs := random(5, 1000)
	a.put(t, bs...)
	b.connect(t, a)
	fetch(t, b, bs)
	c.connect(t, b)
	fetch(t, c, bs)
}

func TestWithoutStoringKeepsNothing(t *testing.T) {
	a, b := start(t), start(t, souk.WithoutStoring())
	bs := random(5, 1000)
	a.put(t, bs...)
	b.connect(t, a)
	fetch(t, b, bs)
	require.NoError(t, b.Close())
	require.False(t, b.has(t, bs[0].Cid()))
}

func TestAWantIsAnsweredWhenTheBlockAppears(t *testing.T) {
	a, b := start(t), start(t)
	b.connect(t, a)
	block := random(1, 500)[0]
	got := make(chan error, 1)
	go func() {
		_, err := b.GetBlock(soon(t), block.Cid())
		got <- err
	}()
	eventually.True(t, func() bool {
		list, err := a.WantlistOf(t.Context(), b.host.ID())
		return err == nil && len(list) == 1
	})
	a.put(t, block)
	require.NoError(t, <-got)
}

func TestABlockPutHereAnswersAWaitingGet(t *testing.T) {
	a := start(t)
	block := random(1, 500)[0]
	got := make(chan blocks.Block, 1)
	go func() {
		b, _ := a.GetBlock(soon(t), block.Cid())
		got <- b
	}()
	require.NoError(t, a.NotifyNewBlocks(t.Context(), random(1, 10)...))
	a.put(t, block)
	require.Equal(t, block.RawData(), (<-got).RawData())
}

func TestNamedPeersThatHaveNothingFailTheFetch(t *testing.T) {
	a, b, c := start(t), start(t), start(t)
	c.connect(t, a, b)
	block := random(1, 10)[0]
	s := c.NewSession(t.Context(), session.WithPeers(a.host.ID(), b.host.ID()))
	_, err := s.GetBlock(soon(t), block.Cid())
	var failed *souk.FetchError
	require.ErrorAs(t, err, &failed)
	require.True(t, failed.NotFound())
	require.Len(t, failed.Answers, 2)
	for _, answer := range failed.Answers {
		require.Equal(t, session.DontHave, answer.Outcome)
	}
	require.ErrorContains(t, err, a.host.ID().String())
	require.ErrorContains(t, err, b.host.ID().String())
}

func TestNamedPeersAloneAreAsked(t *testing.T) {
	a, b, c := start(t), start(t), start(t)
	bs := random(10, 100)
	a.put(t, bs...)
	b.put(t, bs...)
	c.connect(t, a, b)
	fetch(t, c.NewSession(t.Context(), session.WithPeers(b.host.ID())), bs)
	// What a stream has accepted is counted a moment later.
	eventually.True(t, func() bool { return b.Stat().BlocksSent == 10 })
	require.Zero(t, a.Stat().MessagesReceived)
}

func TestAnUnreachableNamedPeerFailsTheFetch(t *testing.T) {
	a, b := start(t), start(t)
	gone := a.host.ID()
	require.NoError(t, a.host.Close())
	_, err := b.NewSession(t.Context(), session.WithPeers(gone)).GetBlock(soon(t), random(1, 1)[0].Cid())
	require.ErrorIs(t, err, souk.ErrNoProviders)
	require.NotErrorIs(t, err, context.DeadlineExceeded)
}

func TestWithNobodyToAskTheDeadlineEndsTheFetch(t *testing.T) {
	a := start(t)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := a.GetBlock(ctx, random(1, 1)[0].Cid())
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorIs(t, err, souk.ErrNoProviders)
}

func TestResultsSayWhoServedAndHowLongItTook(t *testing.T) {
	a, b := start(t), start(t)
	bs := random(30, 1000)
	a.put(t, bs...)
	b.connect(t, a)
	in := make(chan cid.Cid)
	go func() {
		defer close(in)
		for _, c := range append(cids(bs), cids(bs)...) {
			in <- c
		}
		in <- cid.Undef
	}()
	good, bad := 0, 0
	for r := range b.NewSession(t.Context()).Results(soon(t), in) {
		if r.Err != nil {
			require.ErrorIs(t, r.Err, session.ErrUndefined)
			bad++
			continue
		}
		good++
		require.Positive(t, r.Took)
		require.Equal(t, r.CID, r.Block.Cid())
	}
	require.GreaterOrEqual(t, good, 30)
	require.Equal(t, 1, bad)
	require.EqualValues(t, 30, b.Stat().BlocksReceived)
}

func TestLedgersMirrorEachOther(t *testing.T) {
	a, b := start(t), start(t)
	bs := random(7, 1000)
	a.put(t, bs...)
	b.connect(t, a)
	fetch(t, b, bs)
	eventually.True(t, func() bool {
		sent, known := a.Ledger(b.host.ID())
		return known && sent.BlocksSent == 7
	})
	sent, _ := a.Ledger(b.host.ID())
	received, known := b.Ledger(a.host.ID())
	require.True(t, known)
	require.EqualValues(t, 7000, sent.BytesSent)
	require.EqualValues(t, 7000, received.BytesReceived)
	require.EqualValues(t, 7, received.BlocksReceived)
	require.InDelta(t, 7000, sent.Value, 0.001)
	require.Len(t, a.Ledgers(), 1)
}

func TestCountersAreExactOnThreeNodes(t *testing.T) {
	a, b, c := start(t), start(t), start(t)
	block := random(1, 1000)[0]
	a.put(t, block)
	b.connect(t, a)
	fetch(t, b, []blocks.Block{block})
	c.connect(t, b)
	fetch(t, c.NewSession(t.Context(), session.WithPeers(b.host.ID())), []blocks.Block{block})
	eventually.True(t, func() bool { return b.Stat().BlocksSent == 1 })
	require.EqualValues(t, 1, b.Stat().BlocksReceived)
	require.EqualValues(t, 1000, b.Stat().DataReceived)
	require.EqualValues(t, 1000, b.Stat().DataSent)
	require.Zero(t, b.Stat().DupBlksReceived)
	require.Zero(t, a.Stat().BlocksReceived)
	require.Zero(t, c.Stat().BlocksSent)
	eventually.True(t, func() bool {
		list, err := b.WantlistOf(t.Context(), c.host.ID())
		return err == nil && len(list) == 0
	})
}

func TestAccessIsDecidedForEachPeer(t *testing.T) {
	var mu sync.Mutex
	var refused peer.ID
	a := start(t, souk.WithAccess(func(p peer.ID, _ cid.Cid) bool {
		mu.Lock()
		defer mu.Unlock()
		return p != refused
	}))
	b, c := start(t), start(t)
	mu.Lock()
	refused = c.host.ID()
	mu.Unlock()
	bs := random(3, 100)
	a.put(t, bs...)
	b.connect(t, a)
	c.connect(t, a)
	fetch(t, b, bs)
	_, err := c.NewSession(t.Context(), session.WithPeers(a.host.ID())).GetBlock(soon(t), bs[0].Cid())
	var failed *souk.FetchError
	require.ErrorAs(t, err, &failed)
	require.Equal(t, session.DontHave, failed.Answers[0].Outcome)
}

func TestServerDisabledFetchesAndServesNothing(t *testing.T) {
	a, b := start(t, souk.WithServerDisabled()), start(t)
	bs := random(3, 100)
	b.put(t, bs...)
	a.connect(t, b)
	fetch(t, a, bs)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	own := random(1, 100)[0]
	a.put(t, own)
	_, err := b.GetBlock(ctx, own.Cid())
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Zero(t, a.Stat().BlocksSent)
}

func TestPutRefusesWhatIsNotTheBlock(t *testing.T) {
	a := start(t)
	good := random(1, 100)[0]
	lie, err := blocks.NewBlockWithCid([]byte("other bytes"), good.Cid())
	require.NoError(t, err)
	require.ErrorContains(t, a.Put(t.Context(), random(1, 5)[0], lie), good.Cid().String())
	require.False(t, a.has(t, good.Cid()))
	require.Error(t, a.NotifyNewBlocks(t.Context(), lie))
}

func TestCIDsThatProveNothingAreRefused(t *testing.T) {
	a := start(t)
	_, err := a.GetBlock(soon(t), cid.Undef)
	var missing interface{ NotFound() bool }
	require.True(t, errors.As(err, &missing) && missing.NotFound())

	md5, err := multihash.Sum([]byte("x"), multihash.MD5, -1)
	require.NoError(t, err)
	_, err = a.GetBlock(soon(t), cid.NewCidV1(cid.Raw, md5))
	require.Error(t, err)
	_, err = a.GetBlocks(soon(t), []cid.Cid{cid.NewCidV1(cid.Raw, md5)})
	require.Error(t, err)
}

func TestAnIdentityCIDIsItsOwnBlock(t *testing.T) {
	a := start(t)
	hash, err := multihash.Sum([]byte("inline"), multihash.IDENTITY, -1)
	require.NoError(t, err)
	c := cid.NewCidV1(cid.Raw, hash)
	b, err := a.GetBlock(soon(t), c)
	require.NoError(t, err)
	require.Equal(t, "inline", string(b.RawData()))
	out, err := a.GetBlocks(soon(t), []cid.Cid{c, c})
	require.NoError(t, err)
	require.Equal(t, c, (<-out).Cid())
	_, more := <-out
	require.False(t, more)
}

func TestACallLeftUndrainedDoesNotHoldUpAnother(t *testing.T) {
	a, b := start(t), start(t, souk.WithFetchBytes(1<<20, 4<<20))
	left, other := random(64, 128<<10), random(64, 128<<10)
	a.put(t, left...)
	a.put(t, other...)
	b.connect(t, a)
	s := b.NewSession(t.Context())
	_, err := s.GetBlocks(t.Context(), cids(left))
	require.NoError(t, err)
	fetch(t, s, other)
	require.Less(t, b.Stat().DataReceived, uint64((64+40)*128<<10), "the undrained call was fetched whole")
}

func TestCancelOfOneGetKeepsTheOther(t *testing.T) {
	a, b := start(t), start(t)
	b.connect(t, a)
	block := random(1, 100)[0]
	s := b.NewSession(t.Context())
	ctx, cancel := context.WithCancel(t.Context())
	first, second := make(chan error, 1), make(chan error, 1)
	go func() { _, err := s.GetBlock(ctx, block.Cid()); first <- err }()
	go func() { _, err := s.GetBlock(soon(t), block.Cid()); second <- err }()
	eventually.True(t, func() bool {
		list, err := a.WantlistOf(t.Context(), b.host.ID())
		return err == nil && len(list) == 1
	})
	cancel()
	require.ErrorIs(t, <-first, context.Canceled)
	a.put(t, block)
	require.NoError(t, <-second)
}

func TestAfterCloseEverythingSaysSo(t *testing.T) {
	a := start(t)
	s := a.NewSession(t.Context())
	waiting := make(chan error, 1)
	go func() { _, err := s.GetBlock(t.Context(), random(1, 1)[0].Cid()); waiting <- err }()
	require.NoError(t, a.Close())
	require.NoError(t, a.Close())
	require.ErrorIs(t, <-waiting, souk.ErrClosed)
	_, err := a.GetBlock(t.Context(), random(1, 1)[0].Cid())
	require.ErrorIs(t, err, souk.ErrClosed)
	_, err = a.NewSession(t.Context()).GetBlock(t.Context(), random(1, 1)[0].Cid())
	require.ErrorIs(t, err, souk.ErrClosed)
	require.ErrorIs(t, a.Put(t.Context(), random(1, 1)...), souk.ErrClosed)
	require.Empty(t, a.Ledgers())
}

func TestFindAnswersFromTheFixedList(t *testing.T) {
	a, b := start(t), start(t)
	c := start(t, souk.WithProviders(a.info(), b.info()))
	found, err := c.Find(soon(t), "dataset", 8)
	require.NoError(t, err)
	require.Len(t, found, 2)
	found, err = c.Find(soon(t), "dataset", 1)
	require.NoError(t, err)
	require.Len(t, found, 1)
}

// slowWrites is a store whose writes of fetched blocks take for ever.
type slowWrites struct {
	blockstore.Blockstore
	until chan struct{}
}

func (s *slowWrites) PutFetched(ctx context.Context, bs []blocks.Block) error {
	<-s.until
	return s.Blockstore.PutFetched(ctx, bs)
}

func TestABlockThatIsNotStoredYetIsServed(t *testing.T) {
	a, c := start(t), start(t)
	slow := &slowWrites{blockstore.New(dssync.MutexWrap(datastore.NewMapDatastore())), make(chan struct{})}
	h, err := libp2p.New(libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"))
	require.NoError(t, err)
	x, err := souk.New(t.Context(), h, slow)
	require.NoError(t, err)
	b := &node{x, h, slow}
	t.Cleanup(func() { require.NoError(t, h.Close()) })

	bs := random(5, 1000)
	a.put(t, bs...)
	b.connect(t, a)
	c.connect(t, b)
	fetch(t, b, bs)
	fetch(t, c.NewSession(t.Context(), session.WithPeers(h.ID())), bs)
	fetch(t, b.NewSession(t.Context(), session.WithPeers()), bs) // Nobody to ask: they come from here.
	close(slow.until)
	require.NoError(t, x.Close())
	require.True(t, b.has(t, bs[0].Cid()))
}

// Peers that blocks passed to or from are worth something to the connection
// manager, while they are connected and the exchange is open.
func TestUsefulPeersAreTagged(t *testing.T) {
	manager, err := connmgr.NewConnManager(10, 20)
	require.NoError(t, err)
	h, err := libp2p.New(libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"), libp2p.ConnectionManager(manager))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, h.Close()) })
	x, err := souk.New(t.Context(), h, blockstore.New(dssync.MutexWrap(datastore.NewMapDatastore())))
	require.NoError(t, err)
	seed := start(t)
	block := blocks.NewBlock([]byte("a tag"))
	seed.put(t, block)
	worth := func() int { return manager.GetTagInfo(seed.host.ID()).Tags["souk-useful"] }
	require.NoError(t, h.Connect(t.Context(), seed.info()))
	require.Zero(t, worth(), "connected is not useful")
	_, err = x.GetBlock(t.Context(), block.Cid())
	require.NoError(t, err)
	eventually.True(t, func() bool { return worth() > 0 })
	require.NoError(t, x.Close())
	require.Zero(t, worth(), "what is tagged is released at the end")
}
