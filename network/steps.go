//go:build simulation

package network

// NewWatch returns a watch that follows what [Watch.Note] is told.
func NewWatch() *Watch { return newWatch() }

// Note notes the latest state of a peer.
func (w *Watch) Note(s PeerState) { w.note(s) }
