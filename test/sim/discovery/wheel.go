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
	trackerEnds
	trackerRestarts
)

// after adds an event, at the next tick at the earliest.
func (w *wheel) after(d time.Duration, e event) {
	at := (w.now + max(1, int(min(d, horizon-tick)/tick))) % len(w.slots)
	w.slots[at] = append(w.slots[at], e)
}

// advance goes to the next tick and returns what is due.
func (w *wheel) advance() []event {
	w.now = (w.now + 1) % len(w.slots)
	due := w.slots[w.now]
	w.slots[w.now] = nil
	return due
}
