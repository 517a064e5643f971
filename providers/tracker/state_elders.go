package tracker

import (
	"cmp"
	"slices"
)

// elders are the oldest quartile of a bucket, by group.
type elders struct {
	rows   []handle
	starts []handle // of the groups in rows; the type is only for its size
	born   uint32   // nobody of them was later
}

// aged is a row while elders are chosen.
type aged struct {
	row, group handle
	born       uint32
}

// mostScratch is what choosing elders and drawing rows take while they last.
const mostScratch = 128 << 10

// electElders chooses the elders of a bucket anew when an eighth of its rows has
// changed. Between elections a few of them may have gone.
func (t *Table) electElders(b *bucket) {
	if b.changes == 0 || 8*b.changes < b.rows || t.used()+4*b.rows > t.limits.TableBytes {
		return
	}
	b.changes = 0
	t.scratch = t.scratch[:0]
	for _, at := range b.groups {
		g := t.groups.at(at)
		for i := range g.size() {
			t.scratch = append(t.scratch, aged{g.at(i), at, t.rows.at(g.at(i)).born})
		}
	}
	slices.SortFunc(t.scratch, func(x, y aged) int { return cmp.Or(cmp.Compare(x.born, y.born), cmp.Compare(x.row, y.row)) })
	oldest := t.scratch[:(len(t.scratch)+3)/4]
	before := b.bytes()
	b.elders.elect(oldest)
	t.loose += b.bytes() - before
	if cap(t.scratch)*12 > mostScratch/2 {
		t.scratch = nil
	}
}

func (e *elders) elect(oldest []aged) {
	if len(oldest) == 0 {
		*e = elders{}
		return
	}
	e.born = oldest[len(oldest)-1].born
	slices.SortFunc(oldest, func(x, y aged) int { return cmp.Or(cmp.Compare(x.group, y.group), cmp.Compare(x.row, y.row)) })
	e.rows, e.starts = fitted(e.rows, len(oldest)), e.starts[:0]
	for i, x := range oldest {
		e.rows[i] = x.row
		if i == 0 || x.group != oldest[i-1].group {
			e.starts = append(e.starts, handle(i))
		}
	}
}

// pick draws a group of elders and one of them. It may have gone since.
func (e *elders) pick(chance uint64) handle {
	g := int(chance % uint64(len(e.starts)))
	end := len(e.rows)
	if g+1 < len(e.starts) {
		end = int(e.starts[g+1])
	}
	start := int(e.starts[g])
	return e.rows[start+int((chance>>32)%uint64(end-start))]
}
