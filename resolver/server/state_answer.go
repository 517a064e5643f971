package server

import (
	"slices"
	"time"

	"github.com/souk-p2p/souk/resolver/wire"
)

// answerExtra is what an answer takes besides its data and hashes, at most.
const answerExtra = 64

// sizeOf returns how many bytes answers have.
func sizeOf(answers []wire.Answer) int {
	n := 0
	for _, m := range answers {
		n += answerExtra
		if r, ok := m.(*wire.Response); ok {
			n += len(r.Data) + len(r.Parts.Hashes)
		}
	}
	return n
}

// fail answers a request with why there is no other answer.
func (s *state) fail(now time.Time, a *ask, code wire.Code, outcome Outcome) {
	s.answer(now, a, &wire.Failure{ID: a.id, Code: code}, outcome)
}

// answer answers a request.
func (s *state) answer(now time.Time, a *ask, m wire.Answer, outcome Outcome) {
	st := a.stream
	st.answers = append(st.answers, m)
	s.read(st.client, -sizeOf(st.answers[len(st.answers)-1:]))
	s.went(now, a, outcome)
	s.write(st)
}

// went counts what has become of a request.
func (s *state) went(now time.Time, a *ask, outcome Outcome) {
	s.stat.Outcomes[outcome]++
	s.out.served = append(s.out.served, served{outcome, now.Sub(a.came)})
}

// write gives the writer of a stream what it can write at a time, if it has nothing.
func (s *state) write(st *stream) {
	if len(st.writing) > 0 || len(st.answers) == 0 {
		return
	}
	n := 1
	for n < len(st.answers) && sizeOf(st.answers[:n]) < batchBytes {
		n++
	}
	st.writing = slices.Clone(st.answers[:n])
	st.answers = slices.Delete(st.answers, 0, n)
	s.out.writes = append(s.out.writes, write{st.id, st.writing})
}

// wrote takes in that the writer has written what it had.
func (s *state) wrote(now time.Time, id streamID) {
	st := s.streams[id]
	s.read(st.client, sizeOf(st.writing))
	st.owed -= len(st.writing)
	st.writing = nil
	s.write(st)
	s.readOn(st)
	s.rest(st)
	s.offer(st.client)
	s.relieve()
	s.serve(now)
}

// read counts bytes that a client has read, or below zero those that it is to read.
func (s *state) read(c *client, n int) {
	c.unread -= n
	s.unread -= n
}
