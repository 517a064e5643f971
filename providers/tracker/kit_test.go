package tracker

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/providers/record"
	"github.com/souk-p2p/souk/providers/wire"
	"github.com/souk-p2p/souk/test/ends"
)

// service is a tracker in virtual time, and the peers that speak with it.
type service struct {
	t       testing.TB
	tracker *Tracker
	seq     uint64
}

// generous are limits under which rates do not matter.
func generous() Config {
	return Config{Limits: Limits{TableBytes: 8 << 20, PeerRate: free, PrefixRate: free}, Seed: 1}
}

// serve runs a test opposite a tracker, whose table is audited in the end.
func serve(t *testing.T, cfg Config, test func(t *testing.T, s *service)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := startService(t, cfg)
		test(t, s)
		s.stop()
	})
}

func startService(t testing.TB, cfg Config) *service {
	t.Helper()
	cfg.Fail = func(err error) { t.Errorf("the actor broke: %v", err) }
	tracker, err := New(cfg)
	require.NoError(t, err)
	tracker.Start()
	t.Cleanup(func() { require.NoError(t, tracker.Stop(context.Background())) })
	return &service{t: t, tracker: tracker}
}

func (s *service) stop() {
	s.t.Helper()
	require.NoError(s.t, s.tracker.Stop(context.Background()))
	synctest.Wait()
	require.NoError(s.t, s.tracker.table.Audit())
}

func (s *service) stat() Stat {
	s.t.Helper()
	synctest.Wait()
	return s.tracker.Stat(s.t.Context())
}

// client is the other end of a stream that is served.
type client struct {
	t      testing.TB
	key    crypto.PrivKey
	id     peer.ID
	where  string // its addresses
	end    *ends.End
	up     net.Conn
	down   net.Conn
	in     *wire.Reader
	served chan error
	last   wire.RequestID
	s      *service
	said   chan wire.Message // but notices, of a client that listens
}

var keyring sync.Map // of keys by number: making one takes longer than a test

func keyOf(n int) crypto.PrivKey {
	if key, ok := keyring.Load(n); ok {
		return key.(crypto.PrivKey)
	}
	var seed [32]byte
	binary.BigEndian.PutUint64(seed[:], uint64(n))
	key, _, err := crypto.GenerateEd25519Key(bytes.NewReader(seed[:]))
	if err != nil {
		panic(err)
	}
	keyring.Store(n, key)
	return key
}

func idOf(n int) peer.ID {
	id, err := peer.IDFromPrivateKey(keyOf(n))
	if err != nil {
		panic(err)
	}
	return id
}

// connect opens a stream of the nth peer, which is in a network of its own.
func (s *service) connect(n int) *client {
	s.t.Helper()
	return s.connectFrom(n, fmt.Sprintf("/ip4/%s/udp/4001/quic-v1", from(n)))
}

func (s *service) connectFrom(n int, where string) *client {
	s.t.Helper()
	c := &client{t: s.t, key: keyOf(n), id: idOf(n), where: where, served: make(chan error, 1), s: s}
	c.end, c.up, c.down = ends.New(c.id, multiaddr.StringCast(where))
	c.in = wire.NewReader(c.down, wire.Tracker)
	go func() {
		err := s.tracker.Serve(s.t.Context(), c.end)
		c.end.Reset()
		c.served <- err
	}()
	s.t.Cleanup(c.vanish)
	return c
}

// vanish is the end of the connection.
func (c *client) vanish() {
	_ = c.up.Close()
	_ = c.down.Close()
}

// hangUp ends the client's side, and returns what became of the other.
func (c *client) hangUp() error {
	c.t.Helper()
	require.NoError(c.t, c.up.Close())
	return c.ended()
}

// aDay is how long a client waits at most: the actor's clock goes on for ever.
const aDay = 24 * time.Hour

// ended waits for the end of the stream.
func (c *client) ended() error {
	c.t.Helper()
	select {
	case err := <-c.served:
		return err
	case <-time.After(aDay):
		require.FailNow(c.t, "the stream has not ended")
		return nil
	}
}

func (c *client) number() wire.RequestID {
	c.last++
	return c.last
}

func (c *client) raw(b []byte) {
	c.t.Helper()
	_, err := c.up.Write(b)
	require.NoError(c.t, err)
}

func (c *client) send(m wire.Message) {
	c.t.Helper()
	frame, err := wire.AppendFrame(nil, m)
	require.NoError(c.t, err)
	c.raw(frame)
}

// listens reads all the time from now on, and passes over notices.
func (c *client) listens() {
	c.said = make(chan wire.Message, 100)
	go func() {
		defer close(c.said)
		for {
			m, err := c.in.Next()
			if err != nil {
				return
			}
			if _, notice := m.(*wire.Notify); !notice {
				c.said <- m
			}
		}
	}()
}

// next is the next message of the tracker.
func (c *client) next() wire.Message {
	c.t.Helper()
	if c.said != nil {
		return <-c.said
	}
	require.NoError(c.t, c.down.SetReadDeadline(time.Now().Add(aDay)))
	m, err := c.in.Next()
	require.NoError(c.t, err)
	return m
}

// record is that of the peer for a namespace: all of it, at the address that it
// comes from.
func (c *client) record(namespace string, change ...func(*record.Record)) record.Record {
	c.s.seq++
	now := time.Now()
	r := record.Record{
		Namespace: record.Namespace(namespace), Complete: true, Roles: record.Blocks, TTL: time.Hour, Issued: now,
		Sequence: record.NextSequence(0, now) + c.s.seq, Addrs: []multiaddr.Multiaddr{multiaddr.StringCast(c.where)},
	}
	for _, f := range change {
		f(&r)
	}
	return r
}

func (c *client) signed(namespace string, change ...func(*record.Record)) *record.Signed {
	c.t.Helper()
	s, err := record.Sign(c.key, c.record(namespace, change...))
	require.NoError(c.t, err)
	return s
}

// refusals are those of the receipt for a request.
func (c *client) refusals(id wire.RequestID) []wire.Refusal {
	c.t.Helper()
	receipt, ok := c.next().(*wire.Receipt)
	require.True(c.t, ok, "a receipt is right")
	require.Equal(c.t, id, receipt.ID)
	return receipt.Refusals
}

// tell announces a record and returns the refusals.
func (c *client) tell(signed []byte) []wire.Refusal {
	c.t.Helper()
	id := c.number()
	c.send(&wire.Announce{ID: id, Record: signed})
	return c.refusals(id)
}

// announces announces a namespace, which is to be accepted.
func (c *client) announces(namespace string, change ...func(*record.Record)) *record.Signed {
	c.t.Helper()
	s := c.signed(namespace, change...)
	require.Empty(c.t, c.tell(s.Bytes()))
	return s
}

func withdrawn(r *record.Record) { r.TTL = 0 }

func within(ranges record.Ranges) func(*record.Record) {
	return func(r *record.Record) { r.Ranges = ranges }
}

func at(addrs ...string) func(*record.Record) {
	return func(r *record.Record) {
		r.Addrs = nil
		for _, a := range addrs {
			r.Addrs = append(r.Addrs, multiaddr.StringCast(a))
		}
	}
}

func (c *client) touches(rows ...*record.Signed) []wire.Refusal {
	c.t.Helper()
	m := &wire.Touch{ID: c.number()}
	for _, s := range rows {
		m.Rows = append(m.Rows, wire.Touched{Namespace: s.Record().Namespace, Sequence: s.Record().Sequence})
	}
	c.send(m)
	return c.refusals(m.ID)
}

func about(namespace string) wire.About { return wire.About{Namespace: record.Namespace(namespace)} }

func aboutPoint(namespace string, p record.Point) wire.About {
	return wire.About{Namespace: record.Namespace(namespace), Point: &p}
}

func (c *client) asks(about wire.About) *wire.Reply {
	c.t.Helper()
	m := &wire.Query{ID: c.number(), About: about, K: 8}
	c.send(m)
	reply, ok := c.next().(*wire.Reply)
	require.True(c.t, ok, "a reply is right")
	require.Equal(c.t, m.ID, reply.ID)
	return reply
}

// finds asks who holds a namespace.
func (c *client) finds(about wire.About) []peer.ID {
	c.t.Helper()
	reply := c.asks(about)
	require.Nil(c.t, reply.Refusal)
	return announcers(c.t, reply.Rows)
}

func announcers(t testing.TB, rows []wire.Row) []peer.ID {
	t.Helper()
	ids := make([]peer.ID, 0, len(rows))
	for _, r := range rows {
		s, err := record.Parse(r.Record)
		require.NoError(t, err)
		require.NoError(t, s.Verify())
		ids = append(ids, s.Record().Peer)
	}
	return ids
}

// subscribes makes a subscription and returns its number.
func (c *client) subscribes(about wire.About) wire.RequestID {
	c.t.Helper()
	id := c.number()
	c.send(&wire.Subscribe{ID: id, About: about})
	require.Empty(c.t, c.refusals(id))
	return id
}

func (c *client) notice() *wire.Notify {
	c.t.Helper()
	n, ok := c.next().(*wire.Notify)
	require.True(c.t, ok, "a notice is right")
	return n
}
