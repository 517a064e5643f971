package debug

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"

	"github.com/souk-p2p/souk"
	"github.com/souk-p2p/souk/ledger"
)

// level is how bad a finding is.
type level int

const (
	note level = iota // good to know
	warn              // an operator may want to act
	bad               // something does not work
)

// String is the word for a level, in JSON, in style sheets and before the text.
func (l level) String() string { return [...]string{"note", "warning", "trouble"}[l] }

// MarshalText implements encoding.TextMarshaler.
func (l level) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// Finding is something about the node that is not as it should be.
type Finding struct {
	Level level  `json:"level"`
	Text  string `json:"text"`
	Page  string `json:"page"` // that says more
}

// findings collects what is wrong.
type findings []Finding

func (f *findings) add(l level, page, format string, args ...any) {
	*f = append(*f, Finding{Level: l, Text: fmt.Sprintf(format, args...), Page: page})
}

// worstFirst keeps the order of findings that are equally bad. It is never nil.
func (f findings) worstFirst() []Finding {
	slices.SortStableFunc(f, func(a, b Finding) int { return cmp.Compare(b.Level, a.Level) })
	return f
}

// peers tells of those who do wrong, and of there being nobody.
func (f *findings) peers(rows []ledger.Receipt) {
	if len(rows) > 0 && connected(rows) == 0 {
		f.add(warn, "/debug/ledgers", "No peer is connected.")
	}
	wrong := 0
	for i := range rows {
		if len(rows[i].Faults) > 0 {
			wrong++
		}
	}
	if wrong > 0 {
		f.add(note, "/debug/ledgers?state=faulty&sort=faults", "%s did wrong: %s.", plural(wrong, "peer"), list(total(rows).Faults))
	}
}

// sessions tells of those that are stuck, and leads to the one if there is but one.
func (f *findings) sessions(all []fetch) {
	page, stuck := "", 0
	for _, s := range all {
		if s.Stuck {
			stuck++
			page = "/debug/sessions/" + strconv.FormatUint(s.ID, 10)
		}
	}
	switch {
	case stuck > 1:
		page = "/debug/sessions"
		fallthrough
	case stuck == 1:
		f.add(warn, page, "%s waits for blocks and gets none, for %d s or longer.", plural(stuck, "session"), int(stuckAfter.Seconds()))
	}
}

func (f *findings) actors(all []souk.ActorStat) {
	for _, a := range all {
		switch {
		case a.Panics > 0:
			f.add(bad, "/debug/actors", "%s has panicked, %s: the log says why.", a.Name, times(a.Panics))
		case a.Saturation10s >= saturated:
			f.add(warn, "/debug/actors", "%s is saturated: busy %s of the time.", a.Name, percent(a.Saturation10s))
		case late(a):
			f.add(warn, "/debug/actors", "%s is late: a message has waited %s.", a.Name, span(a.Oldest))
		}
	}
}

// Garbage collection begins below a full store, so that one that is nearly full
// is one that it does not help.
const nearlyFull = 0.95

func (f *findings) store(s Store) {
	if s.Quota == 0 {
		return
	}
	switch full := float64(s.Bytes) / float64(s.Quota); {
	case full >= 1:
		f.add(bad, "/debug/", "The store is full: %s of %s.", size(float64(s.Bytes), "B"), size(float64(s.Quota), "B"))
	case full >= nearlyFull:
		f.add(warn, "/debug/", "The store is nearly full: %s of %s.", size(float64(s.Bytes), "B"), size(float64(s.Quota), "B"))
	}
}

func (f *findings) trackers(all []TrackerState) {
	down := 0
	for _, t := range all {
		if !t.Reachable {
			down++
		}
	}
	switch {
	case down > 0 && down == len(all):
		f.add(bad, "/debug/", "No tracker can be reached, of %d.", len(all))
	case down > 0:
		f.add(warn, "/debug/", "%s of %d cannot be reached.", plural(down, "tracker"), len(all))
	}
}

func (f *findings) refused(by map[string]uint64) {
	var n uint64
	for _, of := range by {
		n += of
	}
	if n > 0 {
		f.add(note, "/debug/", "Refused to peers: %s.", list(by))
	}
}

// table tells of a tracker whose memory is used up: it forgets the oldest rows.
func (f *findings) table(t Tracker) {
	if t.Budget > 0 && float64(t.Bytes) >= nearlyFull*float64(t.Budget) {
		f.add(warn, "/debug/tracker", "The table of this tracker takes %s of its memory: rows are evicted.", t.Full())
	}
}
