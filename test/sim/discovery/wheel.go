//go:build simulation

package discovery

import "time"

// tick is how exact a time in the wheel is.
const tick = 100 * time.Millisecond

// horizon is how far ahead an event may be: above what follows half a TTL, the
// longest of the announcers' times.
const horizon = time.Hour

// wheel is what will happen to peers that do nothing else, in the order of ticks
// and in one tick in the order in which it was decided.
type wheel struct {
	slots [horizon / tick][]event
	now   int
}

// event is something that is due for a peer or a holding, as long as it is in the
// same life.
type event struct {
	who  uint32
	life uint16
	kind kind
}

type kind uint8

const (
	comesBack kind = iota + 1 // a peer
	endsForEver
	announces // a holding, for the first time in this life
	touches
	repeats // the announcement, because a tracker was lost
	starts  // a peer announces all that it holds, with the product's announcer
	looks   // the announcer of a peer
	trackerEnds
	trackerRestarts
)

// after adds an event, at the next tick at the earliest, and returns which tick
// that is.
func (w *wheel) after(d time.Duration, e event) int {
	at := w.now + max(1, int(min(d, horizon-tick)/tick))
	w.slots[at%len(w.slots)] = append(w.slots[at%len(w.slots)], e)
	return at
}

// advance goes to the next tick and returns what is due.
func (w *wheel) advance() []event {
	w.now++
	due := w.slots[w.now%len(w.slots)]
	w.slots[w.now%len(w.slots)] = nil
	return due
}
