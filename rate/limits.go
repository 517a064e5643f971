package rate

import (
	"fmt"
	"maps"
	"slices"
)

// Default is the class of peers that are in no other.
const Default = "default"

// MostClasses bounds how many classes there are: each costs a look whenever bytes
// are to pass.
const MostClasses = 64

// Limits are what may pass in one direction. The zero Limits limit nothing.
type Limits struct {
	Total   Rate             // of all peers together
	Peer    Rate             // of each peer, unless its class says otherwise
	Classes map[string]Class // by name; [Default] is for peers in no other. Not to be changed any more
}

// Class is what may pass to or from the peers of one class.
type Class struct {
	Total Rate // of all of them together
	Peer  Rate // of each of them: instead of [Limits.Peer], if it is not zero
}

// Validate returns an error that names the field that is wrong.
func (l Limits) Validate() error {
	if len(l.Classes) > MostClasses {
		return fmt.Errorf("Classes: there are %d, at most %d are right", len(l.Classes), MostClasses)
	}
	if err := validate("", l.Total, l.Peer); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(l.Classes)) {
		if err := validate(fmt.Sprintf("Classes[%q].", name), l.Classes[name].Total, l.Classes[name].Peer); err != nil {
			return err
		}
	}
	return nil
}

func validate(where string, total, each Rate) error {
	switch {
	case total < Unlimited || total > highest:
		return fmt.Errorf("%sTotal is %d: it is to be bytes a second, at most %d", where, total, int64(highest))
	case each < Unlimited || each > highest:
		return fmt.Errorf("%sPeer is %d: it is to be bytes a second, at most %d", where, each, int64(highest))
	}
	return nil
}

// Has reports whether anything is said of a class.
func (l Limits) Has(class string) bool { _, there := l.Classes[class]; return there }

// With returns the limits with those of classes in place of what was said of these
// classes before.
func (l Limits) With(classes map[string]Class) Limits {
	if len(classes) == 0 {
		return l
	}
	all := maps.Clone(l.Classes)
	if all == nil {
		all = make(map[string]Class, len(classes))
	}
	maps.Copy(all, classes)
	l.Classes = all
	return l
}

// None reports whether nothing is limited.
func (l Limits) None() bool {
	for _, c := range l.Classes {
		if c.Total > 0 || c.Peer > 0 {
			return false
		}
	}
	return l.Total <= 0 && l.Peer <= 0
}

// Of is the rate of each peer of a class.
func (l Limits) Of(class string) Rate {
	if r := l.Classes[class].Peer; r != 0 {
		return r
	}
	return l.Peer
}
