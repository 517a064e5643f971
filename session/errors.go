package session

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
)

// ErrClosed is what is open gets when its session or the exchange closes.
var ErrClosed = errors.New("session closed")

// ErrNoProviders is in a [FetchError] when there was no peer to ask.
var ErrNoProviders error = noProviders{}

type noProviders struct{}

func (noProviders) Error() string  { return "no peer to ask is known" }
func (noProviders) NotFound() bool { return true }

// ErrUndefined is what the undefined CID gets.
var ErrUndefined error = undefined{}

type undefined struct{}

func (undefined) Error() string  { return "the CID is undefined" }
func (undefined) NotFound() bool { return true }

// ErrDenied is why a peer was not asked that our own rules deny everything.
var ErrDenied = errors.New("a rule lets it have nothing, so nothing is asked of it")

// Outcome is what became of asking one peer for one CID.
type Outcome uint8

// The outcomes.
const (
	NotAsked    Outcome = iota // another peer came first
	NoAnswer                   // asked, and silent until the end
	DontHave                   // answered DONT_HAVE
	Have                       // answered HAVE, and the block did not come
	Unreachable                // could not be connected to
	Left                       // was asked, and disconnected
	Denied                     // not to be asked: see [ErrDenied]
)

func (o Outcome) String() string {
	names := [...]string{"not asked", "no answer", "DONT_HAVE", "HAVE, but no block came", "unreachable", "disconnected", "denied"}
	return names[o]
}

// Answer is what one peer answered.
type Answer struct {
	Peer    peer.ID
	Outcome Outcome
	Err     error // why it was unreachable, or [ErrDenied]
}

// FetchError says why a block did not come, with what each peer answered.
type FetchError struct {
	CID     cid.Cid
	Answers []Answer // in the order of the peers' ids
	Err     error    // what ended the fetch: a context's error, ErrNoProviders, ErrClosed; nil when every peer named has refused
	Store   error    // why our own store could not be read, which may have the block; nil when it does not
}

func (e *FetchError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "fetch %s: ", e.CID)
	if e.Err != nil {
		b.WriteString(e.Err.Error())
	} else {
		b.WriteString(e.refusal())
	}
	for i, a := range e.Answers {
		b.WriteString([...]string{" (", ", "}[min(i, 1)])
		fmt.Fprintf(&b, "%s: %s", a.Peer, a.Outcome)
		if a.Err != nil {
			fmt.Fprintf(&b, ": %v", a.Err)
		}
	}
	if len(e.Answers) > 0 {
		b.WriteString(")")
	}
	if e.Store != nil {
		fmt.Fprintf(&b, "; it may be stored here, but: %v", e.Store)
	}
	return b.String()
}

// refusal says in words that no named peer has sent the block.
func (e *FetchError) refusal() string {
	unreachable, denied := e.count(Unreachable), e.count(Denied)
	switch n := len(e.Answers); {
	case n == 1 && denied == 1:
		return "the only peer named is denied by our access rules"
	case denied == n:
		return fmt.Sprintf("all of the %d peers named are denied by our access rules", n)
	case denied > 0:
		return fmt.Sprintf("of the %d peers named, %d are denied by our access rules and no other has it", n, denied)
	case n == 1 && unreachable == 1:
		return "the only peer named cannot be reached"
	case n == 1:
		return "the only peer named does not have it"
	case unreachable == n:
		return fmt.Sprintf("none of the %d peers named can be reached", n)
	case unreachable > 0:
		return fmt.Sprintf("of the %d peers named, %d cannot be reached and the others do not have it", n, unreachable)
	default:
		return fmt.Sprintf("none of the %d peers named has it", n)
	}
}

// count is how many peers had an outcome.
func (e *FetchError) count(o Outcome) (n int) {
	for _, a := range e.Answers {
		if a.Outcome == o {
			n++
		}
	}
	return n
}

// Unwrap makes [errors.Is] see what ended the fetch, the store's error, and
// ErrNoProviders when nobody was there to be asked.
func (e *FetchError) Unwrap() []error {
	var errs []error
	if e.Err != nil {
		errs = append(errs, e.Err)
	}
	asked := func(a Answer) bool { return a.Outcome != Unreachable && a.Outcome != Denied }
	if e.Err != ErrNoProviders && !slices.ContainsFunc(e.Answers, asked) && !errors.Is(e.Err, ErrClosed) {
		errs = append(errs, ErrNoProviders)
	}
	if e.Store != nil {
		errs = append(errs, e.Store)
	}
	return errs
}

// NotFound reports whether the block is not to be had from the peers that could
// be asked and is not stored here, rather than that the store failed, time ran
// out or the caller gave up.
func (e *FetchError) NotFound() bool {
	return e.Store == nil && (e.Err == nil || e.Err == ErrNoProviders)
}

// Timeout reports whether time ran out.
func (e *FetchError) Timeout() bool { return errors.Is(e.Err, context.DeadlineExceeded) }
