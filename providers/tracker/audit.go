package tracker

import "fmt"

// Audit recounts everything that the table keeps twice, and returns what is wrong.
// It is for tests: it looks at every row.
func (t *Table) Audit() error {
	if used := t.used(); used > t.limits.TableBytes {
		return fmt.Errorf("%d bytes of %d", used, t.limits.TableBytes)
	}
	count := recount{loose: t.watching(), spaces: map[handle][3]int{}, origins: map[handle]uint32{}, groups: map[handle]int{}}
	var err error
	t.rows.each(0, func(h handle, r *row) bool {
		err = t.auditRow(h, r, &count)
		return err == nil
	})
	for _, audit := range []func(*recount) error{t.auditAnnouncers, t.auditSpaces, t.auditGroups, t.auditOrigins, t.auditTotals} {
		if err == nil {
			err = audit(&count)
		}
	}
	return err
}

// recount is what is found when one looks at all rows, and what they take.
type recount struct {
	rows, withdrawn, siblings int
	loose                     int
	spaces                    map[handle][3]int // members, rows, bytes
	origins                   map[handle]uint32
	groups                    map[handle]int
}

func (t *Table) auditRow(h handle, r *row, count *recount) error {
	sp := count.spaces[r.space]
	sp[0]++
	from := r.group
	if r.withdrawn() {
		count.withdrawn++
	} else {
		count.rows++
		sp[1]++
		sp[2] += rowBytes + cap(r.blob)
		count.loose += cap(r.blob)
		count.groups[r.group]++
		g := t.groups.at(r.group)
		if g.space != r.space || int(r.place) >= g.size() || g.at(int(r.place)) != h {
			return fmt.Errorf("row %d is not in its group", h)
		}
		if want := bucketOf(t.hashOf(h), len(t.spaces.at(r.space).buckets)); g.bucket != want {
			return fmt.Errorf("row %d is in bucket %d, not %d", h, g.bucket, want)
		}
		from = g.origin
	}
	count.spaces[r.space] = sp
	count.origins[from]++
	if t.rowOf(r.announcer, r.space) != h {
		return fmt.Errorf("row %d is not the one of its announcer in its namespace", h)
	}
	if r.earlier == 0 && t.wheel[r.expires%wheelSlots] != h || r.earlier != 0 && t.rows.at(r.earlier).later != h {
		return fmt.Errorf("row %d is not in the wheel", h)
	}
	return nil
}

func (t *Table) auditAnnouncers(count *recount) (err error) {
	t.announcers.each(0, func(h handle, a *announcer) bool {
		live, gone := 0, 0
		for at := a.rows; at != 0; at = t.rows.at(at).sibling {
			if t.rows.at(at).withdrawn() {
				gone++
			} else {
				live++
			}
		}
		count.siblings += live + gone
		count.loose += allocated(len(a.text))
		if live != int(a.live) || gone != int(a.gone) || live+gone == 0 || live > t.limits.Namespaces || t.announcerOf(a.peer()) != h {
			err = fmt.Errorf("%s has %d rows and %d withdrawn, counted %d and %d", a.peer(), a.live, a.gone, live, gone)
		}
		return err == nil
	})
	return err
}

func (t *Table) auditSpaces(count *recount) (err error) {
	t.spaces.each(0, func(h handle, sp *space) bool {
		want := count.spaces[h]
		count.loose += allocated(len(sp.name)) + 8*cap(sp.buckets) + samplesBytes(sp.samples)
		rows := 0
		for _, b := range sp.buckets {
			rows += b.rows
			count.loose += b.bytes()
		}
		if want != [3]int{sp.members, sp.rows, sp.bytes} || rows != sp.rows || sp.members == 0 || t.spaceOf(sp.name) != h {
			err = fmt.Errorf("namespace %q has %d members, %d rows, %d bytes, %d rows in buckets, counted %v", sp.name, sp.members, sp.rows, sp.bytes, rows, want)
		}
		if sp.bytes > t.limits.NamespaceBytes {
			err = fmt.Errorf("namespace %q has %d bytes", sp.name, sp.bytes)
		}
		return err == nil
	})
	return err
}

func (t *Table) auditGroups(count *recount) (err error) {
	t.groups.each(0, func(h handle, g *group) bool {
		b := t.spaces.at(g.space).buckets[g.bucket]
		count.loose += g.bytes()
		switch {
		case g.size() == 0 || g.size() != count.groups[h] || t.groupOf(g.space, g.bucket, g.origin) != h:
			err = fmt.Errorf("group %d has %d rows, counted %d", h, g.size(), count.groups[h])
		case b.groups[g.place] != h:
			err = fmt.Errorf("group %d is not in its place", h)
		case g.place > 0 && t.groupSize(b, int(g.place-1)/2) < g.size():
			err = fmt.Errorf("group %d is larger than the one above it", h)
		}
		return err == nil
	})
	return err
}

func (t *Table) auditOrigins(count *recount) (err error) {
	t.origins.each(0, func(h handle, o *origin) bool {
		listed := uint32(0)
		for at := o.newest; at != 0; at = t.rows.at(at).older {
			listed++
		}
		if o.rows != count.origins[h] || o.rows != listed || t.originOf(o.prefix) != h || o.class() > t.largest {
			err = fmt.Errorf("prefix %x has %d rows, counted %d, listed %d", o.prefix, o.rows, count.origins[h], listed)
		}
		return err == nil
	})
	return err
}

func (t *Table) auditTotals(count *recount) error {
	if count.loose != t.loose || count.rows != t.stat.Rows || count.withdrawn != t.stat.Withdrawn || count.siblings != t.rows.items {
		return fmt.Errorf("%d bytes, %d rows, %d withdrawn, %d items; counted %d, %d, %d, %d", t.loose, t.stat.Rows, t.stat.Withdrawn,
			t.rows.items, count.loose, count.rows, count.withdrawn, count.siblings)
	}
	return nil
}
