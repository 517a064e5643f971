//go:build simulation

package download

import (
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
)

// Steps is what decides about downloads, without what performs it: a simulation that
// owns the time tells it what happens, and does what it says.
type Steps struct{ s *state }

// Effects is what is to be done after an event, in the order of the fields.
type Effects struct {
	Cancel     []TransferID
	Leave      []Seat
	Start      []Start
	Join       []Seat
	Disconnect []peer.ID
	Connect    []peer.ID
	Forgot     []peer.ID
	Finished   []Outcome
	Events     []Event
}

// NewSteps returns a machine in which nothing is known yet.
func NewSteps(l Limits, seed uint64) (*Steps, error) {
	if err := l.validate(); err != nil {
		return nil, err
	}
	return &Steps{newState(l.withDefaults(), seed)}, nil
}

// Take returns what is to be done since it was called last.
func (s *Steps) Take() Effects {
	out := s.s.take()
	return Effects{out.cancel, out.leave, out.start, out.join, out.disconnect, out.connect, out.forgot, out.finished, out.events}
}

// Wake is when Tick has to be called, or the zero time.
func (s *Steps) Wake() time.Time { return s.s.wake() }

// Tick lets happen what is due.
func (s *Steps) Tick(now time.Time) { s.s.tick(now) }

// Audit looks for what contradicts itself, and for nodes that could do something and
// do not, and returns what is wrong.
func (s *Steps) Audit(now time.Time) error { return s.s.audit(now) }

// Node takes hints about a node.
func (s *Steps) Node(now time.Time, id peer.ID, h NodeHints) error { return s.s.addNode(now, id, h) }

// Want takes an intent, which is not 0, and hints about its resource.
func (s *Steps) Want(now time.Time, c cid.Cid, id IntentID, retries int, h ResourceHints) error {
	return s.s.addResource(now, c, id, retries, h)
}

// Connected says that a node that was to be connected is.
func (s *Steps) Connected(now time.Time, id peer.ID, roundTrip time.Duration) {
	s.s.connected(now, id, roundTrip)
}

// FailedToConnect says that it cannot be.
func (s *Steps) FailedToConnect(now time.Time, id peer.ID, err error) {
	s.s.failedToConnect(now, id, err)
}

// Gone says that a node is not connected any more.
func (s *Steps) Gone(now time.Time, id peer.ID) { s.s.gone(now, id) }

// Progress says how much of a resource is here.
func (s *Steps) Progress(now time.Time, id TransferID, bytes, size uint64) {
	s.s.progress(now, id, bytes, size)
}

// Done says that all of it is.
func (s *Steps) Done(now time.Time, id TransferID) { s.s.done(now, id) }

// Failed says that a node has failed in a transfer.
func (s *Steps) Failed(now time.Time, id TransferID, from peer.ID, why Reason) {
	s.s.failed(now, id, from, why, nil)
}
