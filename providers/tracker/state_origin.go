package tracker

// origin is a prefix that rows came from.
type origin struct {
	prefix      prefix
	rows        uint32
	newest      handle
	left, right handle // among those with as many rows
}

// mostClass is from where on origins count as equally large.
const mostClass = 4095

// watchedPast are the proven rows that an eviction looks past.
const watchedPast = 16

func (t *Table) originOf(p prefix) handle {
	return t.origins.find(t.key.words(uint64(p)), func(o *origin) bool { return o.prefix == p })
}

func (t *Table) originFor(p prefix) handle {
	if h := t.originOf(p); h != 0 {
		return h
	}
	h := t.origins.add(t.key.words(uint64(p)), origin{prefix: p})
	t.classify(h)
	return h
}

func (o *origin) class() int { return int(min(o.rows, mostClass)) }

func (t *Table) classify(h handle) {
	o := t.origins.at(h)
	head := &t.classes[o.class()]
	o.left, o.right = 0, *head
	if *head != 0 {
		t.origins.at(*head).left = h
	}
	*head = h
	t.largest = max(t.largest, o.class())
}

func (t *Table) declassify(h handle) {
	o := t.origins.at(h)
	if o.left != 0 {
		t.origins.at(o.left).right = o.right
	} else {
		t.classes[o.class()] = o.right
	}
	if o.right != 0 {
		t.origins.at(o.right).left = o.left
	}
}

// enlist makes a row the newest of its origin.
func (t *Table) enlist(h, from handle) {
	t.declassify(from)
	o, r := t.origins.at(from), t.rows.at(h)
	r.newer, r.older = 0, o.newest
	if o.newest != 0 {
		t.rows.at(o.newest).newer = h
	}
	o.newest = h
	o.rows++
	t.classify(from)
}

func (t *Table) delist(h, from handle) {
	t.declassify(from)
	o, r := t.origins.at(from), t.rows.at(h)
	if r.newer != 0 {
		t.rows.at(r.newer).older = r.older
	} else {
		o.newest = r.older
	}
	if r.older != 0 {
		t.rows.at(r.older).newer = r.newer
	}
	o.rows--
	if o.rows == 0 {
		t.origins.remove(t.key.words(uint64(o.prefix)), from)
		return
	}
	t.classify(from)
}

// largestOrigin is an origin of those with most rows.
func (t *Table) largestOrigin() handle {
	for t.largest > 0 && t.classes[t.largest] == 0 {
		t.largest--
	}
	return t.classes[t.largest]
}

// victim is the row that goes when the table is full and one more comes from a
// prefix: of the largest origin the newest that has not proved itself. There is
// none when the newcomer's own prefix has as many.
func (t *Table) victim(p prefix) handle {
	from := t.largestOrigin()
	if from == 0 || t.origins.at(from).rows <= t.rowsOf(p)+1 {
		return 0
	}
	newest := t.origins.at(from).newest
	h := newest
	for range watchedPast {
		if h == 0 {
			break
		}
		if t.rows.at(h).score <= 0 {
			return h
		}
		h = t.rows.at(h).older
	}
	return newest
}

func (t *Table) rowsOf(p prefix) uint32 {
	if h := t.originOf(p); h != 0 {
		return t.origins.at(h).rows
	}
	return 0
}
