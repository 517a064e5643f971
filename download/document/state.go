package document

import (
	"cmp"
	"slices"
)

// ticket is the number of a caller that has something or waits for it.
type ticket uint64

// want is what a caller can ask for.
type want interface{ isWant() }

type (
	// turnWith is to change a document while nobody else does.
	turnWith struct {
		document ID
		atOnce   bool // or not at all: errTaken
	}
	// importing is to make a document, or a [*BusyError].
	importing struct {
		Import
		generation string
	}
	// look is to know the round and the epoch of marks.
	look struct{}
	// marking is to write marks of what was looked at in a round, or errStale.
	marking struct{ round uint64 }
	// deleting is to delete blocks: of single ones all marks fall, a sweep makes those fall
	// that it has to.
	deleting struct{ sweep bool }
)

func (turnWith) isWant()  {}
func (importing) isWant() {}
func (look) isWant()      {}
func (marking) isWant()   {}
func (deleting) isWant()  {}

// claim is what a caller has or waits for.
type claim struct {
	who  ticket
	what want
	has  bool
}

// duty is what a caller has to do before it gets what it wants.
type duty uint8

const (
	noDuty     duty = iota // it has it
	readEpoch              // of the marks, and tell the state
	writeEpoch             // that of the answer, and tell the state
)

// answer is what a caller gets.
type answer struct {
	err          error // why it has nothing
	do           duty
	generation   string // with a turn: that of the document's import that is under way
	round, epoch uint64 // of the marks
}

// change is what somebody did in its turn.
type change uint8

const (
	unchanged change = iota
	changed          // perhaps in part
	removed          // the document
)

// state is what the actor knows: who has what, who waits for it, and who watches.
type state struct {
	closing bool
	claims  map[ticket]*claim
	lines   map[ID]*line // of documents with somebody in them
	imports []*claim     // in the order of their begin
	marks   marks
	watches watches
	out     effects
}

// effects are what the state wants to be done.
type effects struct {
	answers []reply
	tell    []watchID // that something has changed
	end     []watchID // what they watch is gone
	closed  bool      // nobody has anything any more, and nobody will
}

// reply is an answer for a caller.
type reply struct {
	to ticket
	answer
	last bool // it has nothing that it would have to give back
}

func newState() *state {
	return &state{claims: make(map[ticket]*claim), lines: make(map[ID]*line), watches: newWatches()}
}

// take returns what is to be done since it was called last.
func (s *state) take() effects {
	out := s.out
	out.closed = s.closing && len(s.claims) == 0
	s.out = effects{}
	return out
}

// want takes what a caller wants, which wants or has nothing else.
func (s *state) want(who ticket, what want) {
	c := &claim{who: who, what: what}
	s.claims[who] = c
	if s.closing {
		s.refuse(c, ErrClosed)
		return
	}
	switch what := what.(type) {
	case turnWith:
		s.wantTurn(c, what)
	case importing:
		s.wantImport(c, what)
	case look:
		s.marks.waiting = append(s.marks.waiting, c)
		s.settle()
	case marking:
		s.wantMarking(c, what)
	case deleting:
		s.marks.deleting++
		s.marks.waiting = append(s.marks.waiting, c)
		s.settle()
	}
}

// grant gives a caller what it wants, which it will give back.
func (s *state) grant(c *claim, a answer) {
	c.has = true
	s.out.answers = append(s.out.answers, reply{to: c.who, answer: a})
}

// refuse says why a caller does not get what it wants.
func (s *state) refuse(c *claim, err error) { s.dismiss(c, answer{err: err}) }

// dismiss answers a caller that has nothing then.
func (s *state) dismiss(c *claim, a answer) {
	delete(s.claims, c.who)
	s.out.answers = append(s.out.answers, reply{to: c.who, answer: a, last: true})
}

// leave takes back what a caller has, or what it waits for no longer, and tells who watches
// what it did.
func (s *state) leave(who ticket, did change) {
	c := s.claims[who]
	if c == nil {
		return
	}
	delete(s.claims, who)
	s.drop(c, did)
}

// drop takes a caller out of what it has or waits for.
func (s *state) drop(c *claim, did change) {
	switch what := c.what.(type) {
	case turnWith:
		s.leaveLine(c, what.document, did)
	case importing:
		s.leaveImport(c, what.ID)
	case look, deleting:
		s.leaveMarks(c)
	case marking:
		s.marks.writing--
		s.settle()
	}
}

// close refuses what is wanted from now on, and what somebody waits for.
func (s *state) close() {
	s.closing = true
	var waiting []*claim
	for _, c := range s.claims {
		if !c.has && s.marks.duty != c {
			waiting = append(waiting, c)
		}
	}
	slices.SortFunc(waiting, byTicket)
	for _, c := range waiting {
		s.refuse(c, ErrClosed)
		s.drop(c, unchanged)
	}
}

// without returns a list with one taken out.
func without[T comparable](all []T, one T) []T {
	return slices.DeleteFunc(all, func(other T) bool { return other == one })
}

func byTicket(a, b *claim) int { return cmp.Compare(a.who, b.who) }
