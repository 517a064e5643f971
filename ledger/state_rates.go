package ledger

import (
	"math"
	"time"
)

// The means of rates forget what passed by 1/e in so many seconds.
const (
	shortMean = 10.0
	longMean  = 60.0

	noRate = 1 // bytes a second, below which a mean is nothing
)

// rates are means of what passes, as of a moment.
type rates struct {
	asOf           time.Time
	received, sent mean
}

// mean is bytes a second, in which each byte weighs less the longer it is ago.
type mean struct{ short, long float64 }

// add takes in what has passed just now.
func (r *rates) add(now time.Time, received, sent uint64) {
	r.age(now)
	r.received.add(received)
	r.sent.add(sent)
}

func (m *mean) add(bytes uint64) {
	m.short += float64(bytes) / shortMean
	m.long += float64(bytes) / longMean
}

// age lets the means forget until now.
func (r *rates) age(now time.Time) {
	gone := max(now.Sub(r.asOf).Seconds(), 0)
	r.asOf = now
	if r.received == (mean{}) && r.sent == (mean{}) {
		return
	}
	short, long := math.Exp(-gone/shortMean), math.Exp(-gone/longMean)
	for _, m := range []*mean{&r.received, &r.sent} {
		m.short, m.long = left(m.short*short), left(m.long*long)
	}
}

func left(rate float64) float64 {
	if rate < noRate {
		return 0
	}
	return rate
}

// tell returns the rates of a moment that is not before the last.
func (r rates) tell(now time.Time) Rates {
	r.age(now)
	return Rates{Received10s: r.received.short, Received1m: r.received.long, Sent10s: r.sent.short, Sent1m: r.sent.long}
}

const (
	minutes   = 60 // the last hour
	halfHours = 48 // the last day

	minuteLength   = time.Minute
	halfHourLength = 30 * time.Minute

	// historyKept is for how long a history is worth its memory.
	historyKept = halfHours * halfHourLength
)

// history is what passed in the last hour and the last day: 880 bytes, for accounts
// of which something passed within the last day.
type history struct {
	minute, halfHour int64 // that is not over, counted from 1970
	minutes          [minutes]cell
	halfHours        [halfHours]cell
}

// cell is bytes in each direction. 24 bits of each are exact, which a graph does not
// show.
type cell struct{ received, sent float32 }

// add takes in what has passed just now.
func (h *history) add(now time.Time, received, sent uint64) {
	h.advance(now)
	for _, c := range []*cell{&h.minutes[h.minute%minutes], &h.halfHours[h.halfHour%halfHours]} {
		c.received += float32(received)
		c.sent += float32(sent)
	}
}

// advance empties the cells of the times that have begun since it was last called. A
// clock that was set back adds to the last ones.
func (h *history) advance(now time.Time) {
	turn(h.minutes[:], &h.minute, now.Unix()/int64(minuteLength/time.Second))
	turn(h.halfHours[:], &h.halfHour, now.Unix()/int64(halfHourLength/time.Second))
}

func turn(cells []cell, last *int64, now int64) {
	n := int64(len(cells))
	for at := max(*last+1, now-n+1); at <= now; at++ {
		cells[at%n] = cell{}
	}
	*last = max(*last, now)
}

// tell returns a copy of the history, or nil when nothing passed.
func (h *history) tell(now time.Time) *History {
	if h == nil {
		return nil
	}
	told := *h
	told.advance(now)
	t := &History{
		Minutes:   tellCells(told.minutes[:], told.minute, minuteLength),
		HalfHours: tellCells(told.halfHours[:], told.halfHour, halfHourLength),
	}
	for _, c := range t.HalfHours {
		if c.Received+c.Sent > 0 {
			return t
		}
	}
	return nil
}

// tellCells lists cells, oldest first, the last of which is that of time last.
func tellCells(cells []cell, last int64, length time.Duration) []Traffic {
	told := make([]Traffic, len(cells))
	for i := range told {
		at := last - int64(len(cells)-1-i)
		c := cells[(at+int64(len(cells)))%int64(len(cells))]
		told[i] = Traffic{
			From: time.Unix(at*int64(length/time.Second), 0).UTC(), Received: uint64(c.received), Sent: uint64(c.sent),
		}
	}
	return told
}

// flow is what passes over time.
type flow struct {
	rates
	history *history // nil when nothing passed of late
}

// pass takes in what has passed just now.
func (f *flow) pass(now time.Time, received, sent uint64) {
	if received|sent == 0 {
		return
	}
	f.rates.add(now, received, sent)
	if f.history == nil {
		f.history = new(history)
	}
	f.history.add(now, received, sent)
}
