package tracker

import "math"

const (
	mostScore = 4    // of a row, and least of it below zero
	halfLife  = 1800 // seconds, of a score
	plenty    = 1024 // KiB/s: from here on a capacity does not lower a rank
)

// points are a score in steps small enough for its half-life.
type points int16

const point = 4096

// rank is how much a row is to be preferred. What a peer says of its capacity
// may only lower it: there is nothing to gain by saying much.
func (r *row) rank(now uint32) float32 {
	rank := r.scoreAt(now)
	if r.capacity != 0 {
		rank -= 1 - 8*float32(r.capacity)/plenty
	}
	return rank
}

// scoreAt is the score, of which half is forgotten in half an hour.
func (r *row) scoreAt(now uint32) float32 {
	score := float32(r.score) / point
	if score == 0 || now <= r.scored {
		return score
	}
	return score * float32(math.Exp2(-float64(now-r.scored)/halfLife))
}

// score moves the score of a row. However low it is, the row stays until its time
// is over: who it has to be is tried when there is nobody better.
func (t *Table) score(now uint32, h handle, result Result) {
	r := t.rows.at(h)
	by := float32(-1)
	if result == Served {
		by = 1
	}
	r.score, r.scored = points(point*min(max(r.scoreAt(now)+by, -mostScore), mostScore)), now
}
