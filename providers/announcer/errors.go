package announcer

import (
	"errors"
	"fmt"
	"strings"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/internal/actor"
	"github.com/souk-p2p/souk/providers/record"
	"github.com/souk-p2p/souk/providers/wire"
)

// Errors of Announce and Withdraw, and of what they say about single trackers.
var (
	ErrClosed     = actor.ErrClosed
	ErrTooMany    = fmt.Errorf("announcer: a node announces at most %d namespaces", mostNamespaces)
	ErrNoTrackers = errors.New("announcer: no tracker is known")
	ErrWithdrawn  = errors.New("announcer: withdrawn before a tracker took it")
	ErrGivenUp    = fmt.Errorf("announcer: given up, because %d later withdrawals are under way", mostWithdrawn)
	ErrDown       = errors.New("does not answer at present")
	ErrQuiet      = errors.New("has asked not to be told anything at present")
	ErrStuck      = errors.New("the call has not returned")
)

// FormError says that an announcement is against the rules of form: nothing was
// announced, and what was announced before stays.
type FormError struct {
	Field string // Namespace, Keys or TTL
	Err   error
}

func (e *FormError) Error() string { return fmt.Sprintf("announcer: %s: %v", e.Field, e.Err) }

// Unwrap returns what is wrong with the field.
func (e *FormError) Unwrap() error { return e.Err }

// RefusedError is a tracker's refusal.
type RefusedError struct{ wire.Refusal }

func (e *RefusedError) Error() string { return "refused: " + e.Code.String() }

// TrackerError is why a tracker has not done what it was told.
type TrackerError struct {
	Tracker peer.ID
	Err     error // a *RefusedError, ErrDown, ErrQuiet, ErrStuck or that of the call
}

func (e *TrackerError) Error() string { return fmt.Sprintf("tracker %s: %v", e.Tracker, e.Err) }

// Unwrap returns the reason.
func (e *TrackerError) Unwrap() error { return e.Err }

// Error says that no tracker took an announcement, or that not all took a
// withdrawal, with what each said. The announcer goes on trying.
type Error struct {
	Namespace record.Namespace
	Trackers  []*TrackerError
}

func (e *Error) Error() string {
	said := make([]string, len(e.Trackers))
	for i, t := range e.Trackers {
		said[i] = t.Error()
	}
	return fmt.Sprintf("announcer: namespace %q: %s", e.Namespace, strings.Join(said, "; "))
}

// Unwrap returns the error of each tracker.
func (e *Error) Unwrap() []error {
	all := make([]error, len(e.Trackers))
	for i, t := range e.Trackers {
		all[i] = t
	}
	return all
}
