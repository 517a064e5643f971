package wantmanager

import "slices"

// askers are the links behind a want. Nearly always that is one, which is kept
// without a list.
type askers struct {
	one  linkID    // the only one; 0 for none or several
	many *[]linkID // ascending, when there are several
}

func (a *askers) none() bool { return a.one == 0 && a.many == nil }

// add reports whether the link was not there.
func (a *askers) add(l linkID) bool {
	switch {
	case a.has(l):
		return false
	case a.none():
		a.one = l
	case a.many == nil:
		*a = askers{many: &[]linkID{min(a.one, l), max(a.one, l)}}
	default:
		at, _ := slices.BinarySearch(*a.many, l)
		*a.many = slices.Insert(*a.many, at, l)
	}
	return true
}

// remove reports whether the link was there.
func (a *askers) remove(l linkID) bool {
	switch {
	case !a.has(l):
		return false
	case a.many == nil:
		a.one = 0
		return true
	}
	at, _ := slices.BinarySearch(*a.many, l)
	if *a.many = slices.Delete(*a.many, at, at+1); len(*a.many) == 1 {
		*a = askers{one: (*a.many)[0]}
	}
	return true
}

func (a *askers) has(l linkID) bool {
	if a.many == nil {
		return a.one == l && l != 0
	}
	_, there := slices.BinarySearch(*a.many, l)
	return there
}

// all are the links, in their order, for a range statement.
func (a *askers) all(yield func(linkID) bool) {
	if a.many == nil {
		if a.one != 0 {
			yield(a.one)
		}
		return
	}
	for _, l := range *a.many {
		if !yield(l) {
			return
		}
	}
}
