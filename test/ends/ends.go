// Package ends is streams in memory, as who serves them sees them: what a test
// has instead of a network.
package ends

import (
	"net"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
)

// writeTime is after what time a write gives up, as on a stream of the network.
const writeTime = 30 * time.Second

// End is the end of a stream at which it is served. It has no buffer: what is written
// is read at once, or waited for.
type End struct {
	peer   peer.ID
	remote multiaddr.Multiaddr
	in     net.Conn
	out    net.Conn

	mu   sync.Mutex
	idle time.Duration
}

// New returns the end of a stream with a peer at an address, and what the peer has of
// it: up to write to, down to read from.
func New(p peer.ID, remote multiaddr.Multiaddr) (e *End, up, down net.Conn) {
	in, up := net.Pipe()
	down, out := net.Pipe()
	return &End{peer: p, remote: remote, in: in, out: out}, up, down
}

// Peer returns who is at the other end.
func (e *End) Peer() peer.ID { return e.peer }

// Remote returns where the peer is.
func (e *End) Remote() multiaddr.Multiaddr { return e.remote }

// Read reads what the peer writes, for as long as it may be silent.
func (e *End) Read(p []byte) (int, error) {
	e.SetIdle(e.patience())
	return e.in.Read(p)
}

func (e *End) patience() time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.idle
}

// SetIdle says how long Read waits; zero is for ever.
func (e *End) SetIdle(t time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.idle = t
	until := time.Time{}
	if t > 0 {
		until = time.Now().Add(t)
	}
	_ = e.in.SetReadDeadline(until)
}

// Write writes to the peer, and gives up when it does not read.
func (e *End) Write(frame []byte) (int, error) {
	_ = e.out.SetWriteDeadline(time.Now().Add(writeTime))
	return e.out.Write(frame)
}

// CloseWrite says that nothing more is written.
func (e *End) CloseWrite() error { return e.out.Close() }

// Reset ends the stream in both directions.
func (e *End) Reset() {
	_ = e.in.Close()
	_ = e.out.Close()
}
