package tracker

// space is a namespace that has rows, be they withdrawn.
type space struct {
	name    string
	buckets []*bucket
	rows    int // that are not withdrawn
	members int
	bytes   int // of the rows
	samples []Sample
	place   int // in sampled, counted from 1; 0 for not there

	queries, announces tally
}

func (t *Table) spaceOf(name string) handle {
	return t.spaces.find(t.key.text(name), func(sp *space) bool { return sp.name == name })
}

func (t *Table) spaceFor(name string) handle {
	if h := t.spaceOf(name); h != 0 {
		return h
	}
	name = clone(name)
	t.loose += allocated(len(name))
	h := t.spaces.add(t.key.text(name), space{name: name})
	t.addBucket(t.spaces.at(h))
	return h
}

func (t *Table) addBucket(sp *space) {
	b := new(bucket)
	before := cap(sp.buckets)
	sp.buckets = append(sp.buckets, b)
	t.loose += b.bytes() + 8*(cap(sp.buckets)-before)
}

// leaveSpace counts a row less, and forgets the namespace with the last.
func (t *Table) leaveSpace(h handle) {
	sp := t.spaces.at(h)
	sp.members--
	if sp.members > 0 {
		return
	}
	t.setSamples(h, nil)
	for _, b := range sp.buckets {
		t.loose -= b.bytes()
	}
	t.loose -= allocated(len(sp.name)) + 8*cap(sp.buckets)
	t.spaces.remove(t.key.text(sp.name), h)
}
