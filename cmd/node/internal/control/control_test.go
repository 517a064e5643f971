package control

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	blocks "github.com/ipfs/go-block-format"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/cmd/node/internal/node"
)

func TestBlocksArePutInBatchesOfBoundedMemory(t *testing.T) {
	n := newFakeNode()
	bs := someBlocks(40, 256<<10) // 10 MiB
	require.NoError(t, connect(t, n).PutMany(t.Context(), bs))

	require.Equal(t, []int{32, 8}, n.puts)
	for _, b := range bs {
		require.Equal(t, b.RawData(), n.blocks[b.Cid()].RawData())
	}
}

func TestAFailedPutSaysWhy(t *testing.T) {
	n := newFakeNode()
	n.putErr = errors.New("disk full")
	err := connect(t, n).PutMany(t.Context(), someBlocks(100, 256<<10)) // more than the socket buffers
	require.EqualError(t, err, "disk full")
}

func TestABlockOverTheLimitIsRefused(t *testing.T) {
	n := newFakeNode()
	err := connect(t, n).PutMany(t.Context(), []blocks.Block{blocks.NewBlock(make([]byte, maxData+1))})
	require.ErrorContains(t, err, "2097153 bytes where 2097152 are allowed")
	require.Empty(t, n.puts)
}

func TestACutPutStoresNothingOfTheLastBatch(t *testing.T) {
	n := newFakeNode()
	c := connect(t, n)
	var body strings.Builder
	frames := newFrameWriter(&body)
	require.NoError(t, frames.block(blocks.NewBlock([]byte("hello"))))
	require.NoError(t, frames.flush())

	_, err := c.post(t.Context(), "/v2/blocks", blocksType, strings.NewReader(body.String()))
	require.ErrorContains(t, err, "unexpected EOF")
	require.Empty(t, n.puts)
}

func TestBlocksAreFetched(t *testing.T) {
	bs := append(someBlocks(300, 100<<10), blocks.NewBlock(nil))
	n := newFakeNode(bs...)
	f := fetch(t, connect(t, n))
	defer f.Close()

	b, err := f.GetBlock(t.Context(), bs[3].Cid())
	require.NoError(t, err)
	require.Equal(t, bs[3].RawData(), b.RawData())

	in, err := f.GetBlocks(t.Context(), cidsOf(bs))
	require.NoError(t, err)
	i := 0
	for b := range in {
		require.Equal(t, bs[i].Cid(), b.Cid())
		require.Equal(t, len(bs[i].RawData()), len(b.RawData()))
		i++
	}
	require.Equal(t, len(bs), i)
}

func TestAFetchOfAnyLengthIsSplit(t *testing.T) {
	bs := someBlocks(maxWanted+1, 8)
	f := fetch(t, connect(t, newFakeNode(bs...)))
	defer f.Close()
	in, err := f.GetBlocks(t.Context(), cidsOf(bs))
	require.NoError(t, err)
	count := 0
	for range in {
		count++
	}
	require.Equal(t, len(bs), count)
}

func TestAMissingBlockIsNotFoundOnThisSide(t *testing.T) {
	f := fetch(t, connect(t, newFakeNode()))
	defer f.Close()
	c := blocks.NewBlock([]byte("nowhere")).Cid()

	_, err := f.GetBlock(t.Context(), c)
	var missing interface{ NotFound() bool }
	require.ErrorAs(t, err, &missing)
	require.True(t, missing.NotFound())
	require.ErrorContains(t, err, "--peer")

	in, err := f.GetBlocks(t.Context(), cidsOf(someBlocks(2, 8)))
	require.NoError(t, err)
	require.Empty(t, in)
	_, open := <-in
	require.False(t, open)
}

func TestTheConnectionIsUsedAgain(t *testing.T) {
	bs := someBlocks(20, 1000)
	_, dial := serve(t, newFakeNode(bs...))
	dials := 0
	c, err := Dial(t.Context(), func(ctx context.Context) (net.Conn, error) {
		dials++
		return dial(ctx)
	})
	require.NoError(t, err)
	defer c.Close()
	f := fetch(t, c)
	defer f.Close()
	for _, b := range bs {
		_, err := f.GetBlock(t.Context(), b.Cid())
		require.NoError(t, err)
		in, err := f.GetBlocks(t.Context(), cidsOf(bs))
		require.NoError(t, err)
		for range in {
		}
	}
	require.LessOrEqual(t, dials, 3, "one is the session's")
}

func TestPeersAndTrackersReachTheNode(t *testing.T) {
	n := newFakeNode()
	c := connect(t, n)
	id, err := peer.Decode("12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA")
	require.NoError(t, err)
	at := []peer.AddrInfo{{ID: id, Addrs: []ma.Multiaddr{ma.StringCast("/ip4/127.0.0.1/tcp/9")}}}
	for _, source := range []node.Source{{Peers: at}, {Namespace: "photos", Trackers: at}} {
		f, err := c.Fetch(t.Context(), source)
		require.NoError(t, err)
		require.Equal(t, source, n.sources[len(n.sources)-1])
		require.NoError(t, f.Close())
	}
}

func TestUnreachablePeersAndBadOnesAreDifferentErrors(t *testing.T) {
	c := connect(t, newFakeNode())
	ids := []string{"12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA", "12D3KooWPjceQrSwdWXPyLLeABRXmuqt69Rg3sBYbU1Nft9HyQ6X"}
	var texts []string
	for _, id := range ids {
		texts = append(texts, "/ip4/127.0.0.1/tcp/9/p2p/"+id)
	}
	for code, peers := range map[string][]string{
		CodeUnreachable: texts,
		CodeBadRequest:  {"/ip4/127.0.0.1/tcp/9"},
	} {
		_, err := c.postJSON(t.Context(), "/v2/sessions", sessionRequest{Peers: peers})
		var failure *Error
		require.ErrorAs(t, err, &failure)
		require.Equal(t, code, failure.Code)
	}
}

// A command that is killed closes all its connections at once.
func TestAClientThatLeavesMidFetchLeavesNothing(t *testing.T) {
	n := newFakeNode()
	n.hang = true
	s, dial := serve(t, n)
	var conns []net.Conn
	c, err := Dial(t.Context(), func(ctx context.Context) (net.Conn, error) {
		conn, err := dial(ctx)
		conns = append(conns, conn)
		return conn, err
	})
	require.NoError(t, err)
	f := fetch(t, c)
	defer f.Close()
	in, err := f.GetBlocks(t.Context(), cidsOf(someBlocks(2, 8)))
	require.NoError(t, err)
	<-n.waiting

	for _, conn := range conns {
		conn.Close()
	}
	<-n.left
	<-n.closed
	require.Empty(t, <-in)
	s.sessions.mu.Lock()
	defer s.sessions.mu.Unlock()
	require.Empty(t, s.sessions.open)
}

func TestTheEndOfASessionEndsItsFetches(t *testing.T) {
	n := newFakeNode()
	n.hang = true
	f := fetch(t, connect(t, n))
	failed := make(chan error, 1)
	go func() {
		_, err := f.GetBlock(t.Context(), blocks.NewBlock([]byte("x")).Cid())
		failed <- err
	}()
	<-n.waiting
	require.NoError(t, f.Close())
	<-n.closed
	var failure *Error
	require.ErrorAs(t, <-failed, &failure)
	require.Equal(t, CodeCancelled, failure.Code)
}

func TestACancelledFetchLeavesTheSessionOpen(t *testing.T) {
	b := blocks.NewBlock([]byte("here"))
	n := newFakeNode(b)
	n.hang = true
	f := fetch(t, connect(t, n))
	defer f.Close()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-n.waiting
		cancel()
	}()
	_, err := f.GetBlock(ctx, blocks.NewBlock([]byte("x")).Cid())
	require.ErrorIs(t, err, context.Canceled)
	<-n.left
	_, err = f.GetBlock(t.Context(), b.Cid())
	require.NoError(t, err)
}

func TestCloseOfTheServerEndsFetches(t *testing.T) {
	n := newFakeNode()
	n.hang = true
	s, dial := serve(t, n)
	c, err := Dial(t.Context(), dial)
	require.NoError(t, err)
	defer c.Close()
	f := fetch(t, c)
	defer f.Close()
	failed := make(chan error, 1)
	go func() {
		_, err := f.GetBlock(t.Context(), blocks.NewBlock([]byte("x")).Cid())
		failed <- err
	}()
	<-n.waiting
	require.NoError(t, s.Close(t.Context()))
	require.Error(t, <-failed)
	<-n.closed
}

func TestSessionsAreBounded(t *testing.T) {
	table := newSessionTable()
	for range maxSessions {
		_, err := table.add(t.Context(), nil)
		require.NoError(t, err)
	}
	_, err := table.add(t.Context(), nil)
	require.Equal(t, CodeBusy, asError(err).Code)
}

func TestLedgersAndInfo(t *testing.T) {
	c := connect(t, newFakeNode())
	receipts, err := c.Ledgers(t.Context())
	require.NoError(t, err)
	require.Len(t, receipts, 1)
	require.EqualValues(t, 7, receipts[0].BytesSent)

	receipt, err := c.Ledger(t.Context(), self)
	require.NoError(t, err)
	require.Equal(t, 0.5, receipt.Value)
	_, err = c.Ledger(t.Context(), mustDecode("12D3KooWPjceQrSwdWXPyLLeABRXmuqt69Rg3sBYbU1Nft9HyQ6X"))
	require.Equal(t, CodeNotFound, asError(err).Code)

	info, err := c.Info(t.Context())
	require.NoError(t, err)
	require.Equal(t, self, info.ID)
	require.True(t, info.Running)
}

func TestAnUnknownCallNamesTheVersion(t *testing.T) {
	c := connect(t, newFakeNode())
	_, err := get[struct{}](t.Context(), c, "/v1/node")
	require.EqualError(t, err, "control API v2 has no GET /v1/node")
}

func TestABadFetchIsRefused(t *testing.T) {
	c := connect(t, newFakeNode())
	for body, code := range map[string]string{
		`{"cids":[]}`:                 CodeBadRequest,
		`{`:                           CodeBadRequest,
		`{"cids":[{"/":"bafkqaaa"}]}`: CodeNotFound, // the session
		`"` + strings.Repeat("x", maxRequest) + `"`: CodeTooLarge,
	} {
		_, err := c.post(t.Context(), "/v2/sessions/none/blocks", jsonType, strings.NewReader(body))
		var failure *Error
		require.ErrorAs(t, err, &failure)
		require.Equal(t, code, failure.Code, "%.20s", body)
	}
}

// otherVersion is a node of another release.
func otherVersion(t *testing.T, api string) func(context.Context) (net.Conn, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, `{"api":`+api+`,"souk":"v9","more":true}`)
	})}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	return func(context.Context) (net.Conn, error) { return net.Dial("tcp", l.Addr().String()) }
}

func TestAnotherVersionIsRefusedWithWhatToDo(t *testing.T) {
	for api, advice := range map[string]string{"3": "upgrade this souk", "1": "restart the node"} {
		_, err := Dial(t.Context(), otherVersion(t, api))
		var version *VersionError
		require.ErrorAs(t, err, &version)
		require.ErrorContains(t, err, advice)
		require.ErrorContains(t, err, "souk v9")
	}
}
