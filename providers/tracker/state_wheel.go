package tracker

import "time"

// wheelSlots are more seconds than any row lives, so that all rows of a slot
// expire in the same second.
const wheelSlots = 8192

// wind puts a row where the clock will find it. A second that is over is not
// looked at again, so a row that would be over already goes with the next.
func (t *Table) wind(h handle) {
	r := t.rows.at(h)
	r.expires = max(r.expires, t.ticked+1)
	head := &t.wheel[r.expires%wheelSlots]
	r.earlier, r.later = 0, *head
	if *head != 0 {
		t.rows.at(*head).earlier = h
	}
	*head = h
}

func (t *Table) unwind(h handle) {
	r := t.rows.at(h)
	if r.earlier != 0 {
		t.rows.at(r.earlier).later = r.later
	} else {
		t.wheel[r.expires%wheelSlots] = r.later
	}
	if r.later != 0 {
		t.rows.at(r.later).earlier = r.earlier
	}
	r.earlier, r.later = 0, 0
}

// Tick drops rows whose time is over, 4,096 at most, and tells whether there are
// more. It is for every second; a row that is over is in no answer even before.
func (t *Table) Tick(now time.Time) (more bool) {
	to := second(now)
	if t.ticked < to && to-t.ticked > wheelSlots {
		t.ticked = to - wheelSlots
	}
	dropped := 0
	for t.ticked < to {
		at := t.ticked + 1
		for h := t.wheel[at%wheelSlots]; h != 0; {
			later := t.rows.at(h).later
			if t.rows.at(h).expires <= to {
				if dropped == expireAtOnce {
					return true
				}
				t.expire(h)
				dropped++
			}
			h = later
		}
		t.ticked = at
	}
	return false
}

func (t *Table) expire(h handle) {
	if !t.rows.at(h).withdrawn() {
		t.stat.Expired++
		t.note(h)
	}
	t.forget(h)
}
