package server

import (
	"container/list"
	"time"

	"github.com/souk-p2p/souk/resolver/wire"
)

// shelf keeps values larger than a part for the requests of their parts.
type shelf struct {
	most, bytes int
	byKey       map[string]*list.Element
	order       *list.List // of *keeping, those not used for longest first
}

type keeping struct {
	key   string
	value value
	used  time.Time
}

func newShelf(most int) shelf {
	return shelf{most: most, byKey: make(map[string]*list.Element), order: list.New()}
}

// has reports whether there is the value of a key that has the list of parts. No value
// has the zero list: who asks for a value gets the one of now.
func (s *shelf) has(key string, l wire.List) bool {
	e := s.byKey[key]
	return e != nil && e.Value.(*keeping).value.list == l
}

// another reports whether there is a value of the key that has other parts than those of
// a list. The value may have become that of the list since: who begins again gets it.
func (s *shelf) another(key string, l wire.List) bool {
	return l != wire.List{} && s.byKey[key] != nil && !s.has(key, l)
}

// get returns that value, for which it counts as used.
func (s *shelf) get(now time.Time, key string, l wire.List) (value, bool) {
	if !s.has(key, l) {
		return value{}, false
	}
	e := s.byKey[key]
	k := e.Value.(*keeping)
	k.used = now
	s.order.MoveToBack(e)
	return k.value, true
}

// put keeps a value in the place of an earlier one of the key, and of those that were
// not used for longest.
func (s *shelf) put(now time.Time, key string, v value) {
	if e := s.byKey[key]; e != nil {
		s.remove(e)
	}
	for s.bytes+len(v.data) > s.most && s.order.Len() > 0 {
		s.remove(s.order.Front())
	}
	if s.bytes+len(v.data) > s.most {
		return
	}
	s.byKey[key] = s.order.PushBack(&keeping{key, v, now})
	s.bytes += len(v.data)
}

// expire removes what was last used at a time or before.
func (s *shelf) expire(before time.Time) {
	for e := s.order.Front(); e != nil && !e.Value.(*keeping).used.After(before); e = s.order.Front() {
		s.remove(e)
	}
}

// oldest is when the value that was not used for longest was.
func (s *shelf) oldest() (time.Time, bool) {
	if e := s.order.Front(); e != nil {
		return e.Value.(*keeping).used, true
	}
	return time.Time{}, false
}

func (s *shelf) remove(e *list.Element) {
	k := s.order.Remove(e).(*keeping)
	delete(s.byKey, k.key)
	s.bytes -= len(k.value.data)
}
