package network

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	p2pnet "github.com/libp2p/go-libp2p/core/network"
	msmux "github.com/multiformats/go-multistream"

	"github.com/souk-p2p/souk/internal/actor"
	"github.com/souk-p2p/souk/message"
)

// halfClosing is how soon after the negotiation an end of what the peer writes
// only says that it will never write here, as Helia does. Later it says that the
// peer has closed the stream and may read no more.
const halfClosing = time.Second

// outbound is a stream that we opened. Only its sender writes on it, and only we
// close it.
type outbound struct {
	stream  p2pnet.Stream
	conn    msmux.LazyConn // the stream, negotiated along with the first write
	version message.Version
	cfg     *Config
	opened  time.Time
	limited bool            // goes through a relay
	over    chan struct{}   // closed when nobody watches it any more
	sent    func(bytes int) // is told of what is accepted

	deadline time.Time // as set on the stream, for writing

	// Under the lock of the sender.
	carried int  // messages accepted
	watched bool // a goroutine waits for its end
	broken  bool // was reset or failed
	retired bool // no further message goes on it
}

// dial opens a stream on a connection that is there. It waits neither for
// identify nor for the negotiation: the peer is known to speak the version, and
// if it does not any more, the stream ends a round trip later.
func (n *Network) dial(ctx context.Context, m *remote) (*outbound, error) {
	version := n.peers.version(m)
	id, known := n.protocols.ids[version]
	if !known {
		return nil, ErrNotConnected
	}
	ctx, cancel := n.streamContext(ctx)
	defer cancel()
	st, err := n.cfg.Host.Network().NewStream(ctx, m.id)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotConnected, err)
	}
	if err := st.SetProtocol(id); err != nil {
		_ = st.Reset()
		return nil, fmt.Errorf("%w: %w", ErrReset, err)
	}
	n.count.streamsOpened.Add(1)
	return &outbound{
		stream:  st,
		conn:    msmux.NewMSSelect(guarded{st, n}, id),
		version: version,
		cfg:     &n.cfg,
		opened:  time.Now(),
		limited: st.Conn().Stat().Limited,
		over:    make(chan struct{}),
		sent:    func(bytes int) { n.count.bytesSent.Add(uint64(bytes)) },
	}, nil
}

// guarded is a stream whose panics are errors, for multistream, which uses it in
// goroutines of its own.
type guarded struct {
	p2pnet.Stream
	n *Network
}

func (g guarded) Read(b []byte) (n int, err error) {
	err = actor.Guard("watcher", g.n.panicked, func() (err error) {
		n, err = g.Stream.Read(b)
		return err
	})
	return n, err
}

func (g guarded) Write(b []byte) (n int, err error) {
	err = actor.Guard("writer", g.n.panicked, func() (err error) {
		n, err = g.Stream.Write(b)
		return err
	})
	return n, err
}

// buffers gather the small pieces of a message with the first part of a block.
var buffers = sync.Pool{New: func() any { return bufio.NewWriterSize(nil, DefaultChunkSize) }}

// write writes one message and returns the length of its frame.
func (o *outbound) write(m *message.Message) (int, error) {
	buf := buffers.Get().(*bufio.Writer)
	defer buffers.Put(buf)
	defer buf.Reset(nil)
	buf.Reset(o)
	n, err := m.WriteFrame(buf, o.version)
	if err == nil {
		err = buf.Flush()
	}
	return int(n), err
}

// Write writes to the stream in chunks, each with its deadline.
func (o *outbound) Write(b []byte) (int, error) {
	written := 0
	for written < len(b) {
		chunk := b[written:min(len(b), written+o.cfg.ChunkSize)]
		if err := o.arm(len(chunk)); err != nil {
			return written, err
		}
		n, err := o.conn.Write(chunk)
		written += n
		o.sent(n)
		if err != nil {
			return written, err
		}
	}
	return written, nil
}

// arm sets the deadline of a write, unless the one that is set is about right.
func (o *outbound) arm(size int) error {
	want := time.Now().Add(o.cfg.allowance(size))
	if want.Sub(o.deadline) < rearm {
		return nil
	}
	o.deadline = want
	return o.stream.SetWriteDeadline(want)
}

// await blocks until the peer ends the stream. It returns nil when the peer only
// said that it will not write on it.
func (o *outbound) await() error {
	if _, err := o.conn.Read(nil); err != nil { // until it is negotiated
		return err
	}
	negotiated := time.Now()
	var b [1]byte
	_, err := o.conn.Read(b[:])
	switch {
	case err == nil:
		return errAnswered
	case errors.Is(err, io.EOF) && time.Since(negotiated) < halfClosing:
		return nil
	}
	return err
}

// errAnswered is why a stream ends on which the peer has answered, which no
// version of the protocol has.
var errAnswered = errors.New("peer wrote on a stream that it did not open")

// close says that nothing follows. The reader of the peer ends when it has read
// everything. It may block as long as the connection does.
func (o *outbound) close() {
	_ = o.stream.SetReadDeadline(time.Now().Add(o.cfg.OpenTime))
	_ = o.stream.CloseWrite() // A stream that cannot be closed any more was reset.
}
