package resolver

// task is something to be told to the Consumer: a value to be judged, or that a fetch
// has failed.
type task struct {
	key   Key
	parts [][]byte
	why   error // of a failure
}

// desk is what is to be told to the Consumer: a few tasks at once, and about each key
// one after the other.
type desk struct {
	most    int
	running int
	judging int // values among all tasks

	row    []task         // may begin, from next on
	next   int            //
	behind map[Key][]task // of keys with a task in the row or running: those that wait for it
}

func newDesk(most int) *desk { return &desk{most: most, behind: make(map[Key][]task)} }

// add takes in a task.
func (d *desk) add(t task) {
	if t.why == nil {
		d.judging++
	}
	if waiting, busy := d.behind[t.key]; busy {
		d.behind[t.key] = append(waiting, t)
		return
	}
	d.behind[t.key] = nil
	d.row = append(d.row, t)
}

// begin returns the next task that may begin, if there is one.
func (d *desk) begin() (task, bool) {
	if d.running == d.most || d.next == len(d.row) {
		return task{}, false
	}
	t := d.row[d.next]
	d.row[d.next] = task{}
	if d.next++; d.next == len(d.row) {
		d.row, d.next = nil, 0
	}
	d.running++
	return t, true
}

// done notes that a task has ended.
func (d *desk) done(key Key, judged bool) {
	d.running--
	if judged {
		d.judging--
	}
	waiting := d.behind[key]
	if len(waiting) == 0 {
		delete(d.behind, key)
		return
	}
	d.row = append(d.row, waiting[0])
	d.behind[key] = waiting[1:]
}
