package download

import (
	"errors"
	"fmt"
	"strings"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
)

// Reason is why a node has not served a resource.
type Reason uint8

// The reasons. HasNot alone says something of the resource at that node; after all
// others the node is asked again.
const (
	HasNot      Reason = iota + 1 // it has said that it has not got it, or a part of it
	Unreachable                   // it cannot be reached, or its connection was lost
	Broken                        // what it sent was wrong, or it did not keep to the protocol
	Stalled                       // nothing came for Limits.Stall
	Local                         // it failed here: no node is at fault
)

var reasons = [...]string{
	HasNot: "has not got it", Unreachable: "cannot be reached", Broken: "is broken", Stalled: "has stalled", Local: "failed here",
}

// String says what the node does.
func (r Reason) String() string {
	if int(r) < len(reasons) && reasons[r] != "" {
		return reasons[r]
	}
	return fmt.Sprintf("reason %d", uint8(r))
}

// EventKind is what has happened to a resource.
type EventKind uint8

// What happens to a resource, in this order: Queued, then Started, Progress and
// Retry any number of times, then Done or Failed.
const (
	Queued   EventKind = iota + 1 // a first intent has come
	Started                       // Node has begun to serve it
	Progress                      // Bytes of it are here, of Size
	Retry                         // Node has failed for Reason; others or a later time are tried
	Done                          // all of it is here
	Failed                        // given up for at least one intent, for Err
	Dropped                       // nobody wants it any more
)

var eventKinds = [...]string{
	Queued: "queued", Started: "started", Progress: "progress", Retry: "retry", Done: "done", Failed: "failed", Dropped: "dropped",
}

// String is the name of the kind in lower case.
func (k EventKind) String() string {
	if int(k) < len(eventKinds) && eventKinds[k] != "" {
		return eventKinds[k]
	}
	return fmt.Sprintf("event %d", uint8(k))
}

// Event is something that has happened to a resource. Fields that its kind does not
// mention are empty.
type Event struct {
	Kind   EventKind
	CID    cid.Cid
	Node   peer.ID
	Reason Reason
	Bytes  uint64 // that are here
	Size   uint64 // of all, or 0 when nobody knows
	Err    error
}

// Errors that a [FailedError] is, as errors.Is tells.
var (
	ErrNoNodes     = errors.New("download: no node is known that may have it")
	ErrNotFound    = errors.New("download: no node has got it")
	ErrUnreachable = errors.New("download: nodes that may have it cannot be reached")
	ErrBroken      = errors.New("download: nodes that may have it have failed")
	ErrLocal       = errors.New("download: it cannot be kept here")
)

// Errors of what is not taken.
var (
	ErrFull = errors.New("download: as many resources are known as there may be")
	ErrUsed = errors.New("download: this intent is there already")
)

// NodeFailure is why one node has not served a resource.
type NodeFailure struct {
	Node   peer.ID
	Reason Reason
}

// FailedError says why a resource is not here after all retries.
type FailedError struct {
	CID     cid.Cid
	Retries int           // that were made for the intent
	Nodes   []NodeFailure // in the order of their IDs; 16 at most
	More    int           // nodes beyond those
	Err     error         // of the last attempt; may be nil
	kind    error
}

// mostFailures is how many nodes an error names: more nobody reads.
const mostFailures = 16

func (e *FailedError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "download: %s after %d retries: ", e.CID, e.Retries)
	if len(e.Nodes) == 0 && e.Err == nil {
		b.WriteString("no node is known that may have it")
	}
	for i, n := range e.Nodes {
		if i > 0 {
			b.WriteString("; ")
		}
		fmt.Fprintf(&b, "%s %s", n.Node, n.Reason)
	}
	if e.More > 0 {
		fmt.Fprintf(&b, "; and %d more", e.More)
	}
	if e.Err != nil {
		if len(e.Nodes) > 0 {
			b.WriteString("; last: ")
		}
		b.WriteString(e.Err.Error())
	}
	return b.String()
}

// Unwrap returns what kind of failure it is, and the error of the last attempt.
func (e *FailedError) Unwrap() []error {
	all := []error{e.kind}
	if e.Err != nil {
		all = append(all, e.Err)
	}
	return all
}

// add notes the failure of one more node.
func (e *FailedError) add(n peer.ID, why Reason) {
	e.kind = graver(e.kind, why)
	if len(e.Nodes) == mostFailures {
		e.More++
		return
	}
	e.Nodes = append(e.Nodes, NodeFailure{n, why})
}

// graver is the kind of failure to which a node has added another: what may change
// first counts, so a node that failed before one that is away, and that before one
// that has not got it.
func graver(kind error, why Reason) error {
	switch {
	case kind == ErrLocal || kind == ErrBroken:
		return kind
	case why == Broken || why == Stalled:
		return ErrBroken
	case why == Unreachable || kind == ErrUnreachable:
		return ErrUnreachable
	}
	return ErrNotFound
}
