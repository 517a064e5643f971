package client

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/multiformats/go-multiaddr"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/souk-p2p/souk/providers/record"
	"github.com/souk-p2p/souk/providers/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	errRefused = errors.New("connection refused")
	errReset   = errors.New("stream was reset")
)

// keyOf gives a key, always the same for a number.
func keyOf(n byte) crypto.PrivKey {
	seed := make([]byte, ed25519.SeedSize)
	seed[0] = n
	key, err := crypto.UnmarshalEd25519PrivateKey(ed25519.NewKeyFromSeed(seed))
	if err != nil {
		panic(err)
	}
	return key
}

func peerOf(n byte) peer.ID {
	id, err := peer.IDFromPrivateKey(keyOf(n))
	if err != nil {
		panic(err)
	}
	return id
}

var (
	self    = peerOf(1)
	first   = peerOf(2)
	second  = peerOf(3)
	listKey = peerOf(9)
	photos  = wire.Query{About: wire.About{Namespace: "photos"}, K: 8}
)

func infoOf(id peer.ID, addrs ...string) peer.AddrInfo {
	info := peer.AddrInfo{ID: id}
	for _, a := range addrs {
		info.Addrs = append(info.Addrs, multiaddr.StringCast(a))
	}
	return info
}

// recordOf is what a provider says of a namespace at the present time.
func recordOf(t testing.TB, provider byte, ns record.Namespace, change ...func(*record.Record)) *record.Signed {
	r := record.Record{
		Namespace: ns, Roles: record.Blocks, Sequence: uint64(time.Now().UnixMilli()), Issued: time.Now(), TTL: record.DefaultTTL,
	}
	for _, f := range change {
		f(&r)
	}
	s, err := record.Sign(keyOf(provider), r)
	require.NoError(t, err)
	return s
}

func rowOf(t testing.TB, provider byte, ns record.Namespace, change ...func(*record.Record)) wire.Row {
	return wire.Row{Record: recordOf(t, provider, ns, change...).Bytes()}
}

// world is a client with trackers that are played by hand.
type world struct {
	*Client
	t     *testing.T
	watch *Watch

	mu       sync.Mutex
	trackers map[peer.ID]func(c *conversation)
	dials    map[peer.ID]int
	dialling time.Duration // that a dial takes
	parting  func(peer.ID)
	holds    map[string]int
	panics   int
}

// play runs f in virtual time and stops the client behind it.
func play(t *testing.T, f func(t *testing.T, w *world), change ...func(*Config)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{
			t: t, trackers: make(map[peer.ID]func(*conversation)), dials: make(map[peer.ID]int), holds: make(map[string]int),
		}
		cfg := Config{
			Network: w, Self: self, Pinned: []peer.AddrInfo{infoOf(first), infoOf(second)},
			Panicked: func(error) { w.mu.Lock(); w.panics++; w.mu.Unlock() },
		}
		for _, c := range change {
			c(&cfg)
		}
		w.Client = New(cfg)
		w.watch = w.Watch()
		w.Start()
		defer w.stop()
		f(t, w)
	})
}

func (w *world) stop() {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	require.NoError(w.t, w.Stop(ctx))
	require.Empty(w.t, w.holds, "no connection is held any more")
}

// runs makes a tracker run: what it does with each stream.
func (w *world) runs(tracker peer.ID, does func(c *conversation)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.trackers[tracker] = does
}

func (w *world) OpenDuplex(ctx context.Context, to peer.AddrInfo, id protocol.ID) (Stream, error) {
	w.mu.Lock()
	w.dials[to.ID]++
	does, takes := w.trackers[to.ID], w.dialling
	w.mu.Unlock()
	select {
	case <-time.After(takes):
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if does == nil || id != wire.Protocol {
		return nil, errRefused
	}
	here, there := pipe()
	go func() {
		defer there.Close()
		does(&conversation{t: w.t, conn: there, in: wire.NewReader(there, wire.Client)})
	}()
	return here, nil
}

// OnDisconnect has parting wait until the client has taken in what it was told.
func (w *world) OnDisconnect(f func(peer.ID)) {
	w.parting = func(p peer.ID) {
		f(p)
		synctest.Wait()
	}
}

func (w *world) Hold(p peer.ID, tag string) { w.hold(p, tag, 1) }

func (w *world) Release(p peer.ID, tag string) { w.hold(p, tag, -1) }

func (w *world) hold(p peer.ID, tag string, n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	held := fmt.Sprintf("%s under %s", p, tag)
	w.holds[held] += n
	if w.holds[held] == 0 {
		delete(w.holds, held)
	}
}

func (w *world) holdsNow() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.holds)
}

func (w *world) dialsTo(p peer.ID) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.dials[p]
}

// state is what a follower sees of a tracker.
func (w *world) state(p peer.ID) Tracker {
	for _, t := range w.watch.Take() {
		if t.ID == p {
			return t
		}
	}
	w.t.Fatalf("%s is not in the set", p)
	return Tracker{}
}

// asks is a query that may take a time.
func (w *world) asks(p peer.ID, patience time.Duration) (*wire.Reply, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return w.Query(ctx, p, photos)
}

func (w *world) requireUp(p peer.ID) {
	w.t.Helper()
	_, err := w.asks(p, time.Second)
	require.NoError(w.t, err)
	require.Zero(w.t, w.state(p).DownUntil)
}

// conversation is a stream as a tracker has it.
type conversation struct {
	t    *testing.T
	conn *end
	in   *wire.Reader
}

// next is the next request, or nil at the end.
func (c *conversation) next() wire.Message {
	m, err := c.in.Next()
	if err != nil {
		return nil
	}
	return m
}

func (c *conversation) say(ms ...wire.Message) {
	for _, m := range ms {
		frame, err := wire.AppendFrame(nil, m)
		require.NoError(c.t, err)
		c.raw(frame)
	}
}

// raw writes bytes, unless the client has ended the stream.
func (c *conversation) raw(b []byte) { _, _ = c.conn.Write(b) }

// honest answers everything, with these rows.
func honest(rows ...wire.Row) func(*conversation) {
	return func(c *conversation) {
		for m := c.next(); m != nil; m = c.next() {
			c.answer(m, rows...)
		}
	}
}

func (c *conversation) answer(m wire.Message, rows ...wire.Row) {
	switch m := m.(type) {
	case *wire.Query:
		c.say(&wire.Reply{ID: m.ID, Rows: rows})
	case *wire.GetTrackers:
		c.say(&wire.Trackers{ID: m.ID})
	default:
		if id := idOf(m); id != 0 {
			c.say(&wire.Receipt{ID: id})
		}
	}
}

// idOf is the number of a request that has a receipt.
func idOf(m wire.Message) wire.RequestID {
	switch m := m.(type) {
	case *wire.Announce:
		return m.ID
	case *wire.Touch:
		return m.ID
	case *wire.Subscribe:
		return m.ID
	case *wire.Query:
		return m.ID
	}
	return 0
}

// silent reads and says nothing.
func silent(c *conversation) {
	for c.next() != nil {
	}
}

// end is one end of a stream in memory.
type end struct {
	*io.PipeReader
	out *io.PipeWriter
}

func pipe() (here, there *end) {
	in, toHere := io.Pipe()
	fromHere, out := io.Pipe()
	return &end{in, out}, &end{fromHere, toHere}
}

func (e *end) Write(b []byte) (int, error) { return e.out.Write(b) }
func (e *end) CloseWrite() error           { return e.out.Close() }

func (e *end) Close() error { return errors.Join(e.out.Close(), e.PipeReader.Close()) }

func (e *end) Reset() {
	_ = e.out.CloseWithError(errReset)
	_ = e.PipeReader.CloseWithError(errReset)
}
