package tracker

import (
	"cmp"
	"slices"
	"time"
)

const (
	eldersGiven  = 2    // rows of the oldest quartile in an answer
	elderTries   = 32   // draws for them
	mostExamined = 4096 // rows that one query may look at
)

// drawn is a row that may be in an answer.
type drawn struct {
	row      handle
	rank     float32
	verified bool
}

// selection is one query at work. Rows are drawn by their prefix group first, so
// that many rows of one prefix have no more chance than one.
type selection struct {
	t        *Table
	query    *Query
	now      uint32
	asker    handle
	want     int
	chance   uint64
	examined int
}

// Query answers with at most 64 rows, which it appends to into: two of the oldest
// quartile, of the others half the best and half at random, and those with
// verified addresses first.
func (t *Table) Query(now time.Time, q Query, into []Candidate) Answer {
	if !rightName(q.Namespace) || !rightPeer(q.Peer) {
		return Answer{Verdict: t.refuse(Verdict{Refusal: RefusedSize}), Rows: into}
	}
	if v := t.charge(now, q.Peer, q.Origin, cost{queries: 1, bytes: float64(max(q.Size, 0))}); v.Refusal != Accepted {
		return Answer{Verdict: t.refuse(v), Rows: into}
	}
	t.stat.Queries++
	if q.K == 0 {
		return Answer{Rows: into}
	}
	if q.Seed == 0 {
		q.Seed = t.draw()
	}
	s := &selection{
		t: t, query: &q, now: second(now), asker: t.announcerOf(q.Peer),
		want: int(min(q.K, mostRows)), chance: q.Seed ^ t.key[1],
	}
	picks := s.all()
	for _, d := range picks {
		into = append(into, t.candidate(s.now, d.row))
	}
	t.stat.Answered += uint64(len(picks))
	return Answer{Token: t.remember(s.now, &q, picks), Rows: into}
}

// all chooses among the rows of the namespace, and where they are not enough
// among those of the shard. The result is valid until the next query.
func (s *selection) all() []drawn {
	var picks []drawn
	for p := range s.query.places() {
		at := s.t.spaceOf(p.name())
		if at == 0 {
			continue
		}
		s.t.spaces.at(at).queries.count(s.now)
		if len(picks) == 0 {
			picks = s.choose(s.t.spaces.at(at))
		} else {
			picks = append(slices.Clone(picks), s.choose(s.t.spaces.at(at))...)
		}
		if s.want -= len(picks); s.want <= 0 {
			break
		}
	}
	return picks
}

func (t *Table) candidate(now uint32, h handle) Candidate {
	r := t.rows.at(h)
	return Candidate{
		Peer: t.announcers.at(r.announcer).peer(), Record: r.record(), Verified: r.verified, Unverified: r.unverified,
		Age: time.Duration(now-min(now, r.heard())) * time.Second, Score: r.scoreAt(now), Complete: r.flags&flagComplete != 0,
	}
}

func (s *selection) next() uint64 {
	s.chance += 0x9e3779b97f4a7c15
	return mix(s.chance)
}

// choose draws more than it needs and picks among them. The result is valid until
// the next call.
func (s *selection) choose(sp *space) []drawn {
	all := s.t.drawing[:0]
	first := int(s.next() % uint64(len(sp.buckets)))
	b := sp.buckets[first]
	s.t.electElders(b)
	all = s.drawElders(b, all)
	elders := len(all)
	for i := range sp.buckets {
		if len(all) >= s.want+elders || s.examined >= mostExamined {
			break
		}
		all = s.draw(sp.buckets[(first+i)%len(sp.buckets)], all)
	}
	s.t.drawing = all
	return s.pick(all, elders)
}

// drawElders draws two of the oldest, who failed nobody lately if there are any.
func (s *selection) drawElders(b *bucket, all []drawn) []drawn {
	if len(b.elders.starts) == 0 {
		return all
	}
	for try := range elderTries {
		if len(all) == min(eldersGiven, s.want) {
			break
		}
		h := b.elders.pick(s.next())
		if !s.t.isElder(h, b) || holds(all, h) || try < elderTries/2 && s.t.rows.at(h).score < 0 {
			continue
		}
		if d, fits := s.judge(h); fits {
			all = append(all, d)
		}
	}
	return all
}

// isElder tells whether a row that was elected is still the same.
func (t *Table) isElder(h handle, b *bucket) bool {
	if !t.rows.has(h) {
		return false
	}
	r := t.rows.at(h)
	if r.announcer == 0 || r.withdrawn() || r.born > b.elders.born {
		return false
	}
	g := t.groups.at(r.group)
	return t.spaces.at(g.space).buckets[g.bucket] == b
}

// draw goes through the groups in an order by chance and takes one row of each,
// then a second of each that has one, until there are enough to pick from.
func (s *selection) draw(b *bucket, all []drawn) []drawn {
	n := len(b.groups)
	if n == 0 {
		return all
	}
	enough := len(all) + 2*s.want + 16
	offset, stride, twist := int(s.next()%uint64(n)), s.stride(n), s.next()
	for round := 0; round < b.rows; round++ {
		any := false
		for i, at := 0, offset; i < n; i, at = i+1, (at+stride)%n {
			if len(all) >= enough || s.examined >= mostExamined {
				return all
			}
			s.examined++
			g := s.t.groups.at(b.groups[at])
			size := g.size()
			if round >= size {
				continue
			}
			any = true
			h := g.at((int((twist^uint64(at)*0x9e3779b97f4a7c15)>>33) + round) % size)
			if d, fits := s.judge(h); fits && !holds(all[:min(len(all), eldersGiven)], h) {
				all = append(all, d)
			}
		}
		if !any {
			break
		}
	}
	return all
}

// stride is by chance one that leads through all of n places.
func (s *selection) stride(n int) int {
	for {
		stride := 1 + int(s.next()%uint64(n))
		if gcd(stride, n) == 1 {
			return stride
		}
	}
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// judge tells whether a row is an answer to the query, and how good it is.
func (s *selection) judge(h handle) (drawn, bool) {
	r := s.t.rows.at(h)
	if !r.answers(s.query, s.asker, s.now) {
		return drawn{}, false
	}
	return drawn{row: h, rank: r.rank(s.now), verified: r.verified != 0}, true
}

func (r *row) answers(q *Query, asker handle, now uint32) bool {
	return r.announcer != asker && r.expires > now && r.roles&q.Roles == q.Roles && r.covers(q)
}

// pick takes the elders, the best half of what else is needed, and the rest as it
// was drawn.
func (s *selection) pick(all []drawn, elders int) []drawn {
	if len(all) > s.want {
		others := all[elders:]
		best := (s.want - elders) / 2
		lead(others, best)
		rest := others[best:]
		slices.SortStableFunc(rest, verifiedFirst)
		all = all[:s.want]
	}
	slices.SortStableFunc(all, verifiedFirst)
	return all
}

// lead brings the best of the rows to the front and leaves the order of the rest.
func lead(rows []drawn, best int) {
	for i := range best {
		top := i
		for j := i + 1; j < len(rows); j++ {
			if cmp.Or(verifiedFirst(rows[j], rows[top]), cmp.Compare(rows[top].rank, rows[j].rank)) < 0 {
				top = j
			}
		}
		chosen := rows[top]
		copy(rows[i+1:top+1], rows[i:top])
		rows[i] = chosen
	}
}

func verifiedFirst(a, b drawn) int {
	switch {
	case a.verified == b.verified:
		return 0
	case a.verified:
		return -1
	}
	return 1
}

func holds(rows []drawn, h handle) bool {
	return slices.ContainsFunc(rows, func(d drawn) bool { return d.row == h })
}
