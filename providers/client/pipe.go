package client

import (
	"io"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"

	"github.com/souk-p2p/souk/network"
)

// End is one end of a stream that stays in the process, which is how a node
// reaches the tracker that it is itself. It is to a [Client] and to a tracker what
// a *network.Duplex is.
type End struct {
	self   peer.ID
	remote multiaddr.Multiaddr
	in     *io.PipeReader
	out    *io.PipeWriter
}

// Pipe returns both ends of a stream of self to itself, which is seen at the
// given address. What is written at one end waits until it is read at the other.
func Pipe(self peer.ID, at multiaddr.Multiaddr) (ours, theirs *End) {
	there, forth := io.Pipe()
	back, hither := io.Pipe()
	return &End{self, at, back, forth}, &End{self, at, there, hither}
}

// Peer returns who is at the other end: self.
func (e *End) Peer() peer.ID { return e.self }

// Remote returns the address at which self is seen.
func (e *End) Remote() multiaddr.Multiaddr { return e.remote }

// Read reads what was written at the other end.
func (e *End) Read(p []byte) (int, error) { return e.in.Read(p) }

// Write writes a frame and waits until it was read.
func (e *End) Write(frame []byte) (int, error) { return e.out.Write(frame) }

// SetIdle does nothing: a stream that goes over no network costs nothing idle.
func (e *End) SetIdle(time.Duration) {}

// CloseWrite says that nothing more is written.
func (e *End) CloseWrite() error { return e.out.Close() }

// Close ends the stream in order.
func (e *End) Close() error {
	_ = e.in.Close() // Never fails.
	return e.out.Close()
}

// Reset ends the stream at once, at both ends.
func (e *End) Reset() {
	_ = e.in.CloseWithError(network.ErrReset)
	_ = e.out.CloseWithError(network.ErrReset)
}
