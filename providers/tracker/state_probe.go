package tracker

import "time"

// keepSamples keeps CIDs that a namespace served, the newest first.
func (t *Table) keepSamples(at handle, samples []Sample) {
	sp := t.spaces.at(at)
	kept := make([]Sample, 0, samplesFor)
	for _, s := range append(append([]Sample(nil), samples...), sp.samples...) {
		if len(kept) < samplesFor && len(s.CID) > 0 && len(s.CID) <= sampleSize && !sampledAlready(kept, s) {
			kept = append(kept, Sample{clone(s.CID), s.Point})
		}
	}
	if t.used()+samplesFor*(24+sampleSize) <= t.budget() {
		t.setSamples(at, kept)
	}
}

func sampledAlready(kept []Sample, s Sample) bool {
	for _, k := range kept {
		if k.CID == s.CID {
			return true
		}
	}
	return false
}

func (t *Table) setSamples(at handle, samples []Sample) {
	sp := t.spaces.at(at)
	t.loose += samplesBytes(samples) - samplesBytes(sp.samples)
	sp.samples = samples
	switch last := len(t.sampled) - 1; {
	case len(samples) > 0 && sp.place == 0:
		t.sampled = append(t.sampled, at)
		sp.place = len(t.sampled)
	case len(samples) == 0 && sp.place != 0:
		moved := t.sampled[last]
		t.sampled[sp.place-1] = moved
		t.spaces.at(moved).place = sp.place
		t.sampled, sp.place = t.sampled[:last], 0
	}
}

func samplesBytes(samples []Sample) int {
	bytes := 24 * cap(samples)
	for _, s := range samples {
		bytes += allocated(len(s.CID))
	}
	return bytes
}

// Probes draws at most n announcers to be asked whether they have what they say:
// a want-have for a CID that a client was served in the namespace and that the
// row covers. Results come back through [Table.Probed].
func (t *Table) Probes(now time.Time, n int) []Probe {
	var probes []Probe
	for range 4 * min(n, mostRows) {
		if len(t.sampled) == 0 || len(probes) >= n {
			break
		}
		sp := t.spaces.at(t.sampled[t.draw()%uint64(len(t.sampled))])
		sample := sp.samples[t.draw()%uint64(len(sp.samples))]
		q := &Query{Point: sample.Point, HasPoint: true}
		if h := t.drawRow(sp); h != 0 && t.rows.at(h).answers(q, 0, second(now)) {
			probes = append(probes, t.probe(sp, h, sample))
		}
	}
	return probes
}

func (t *Table) probe(sp *space, h handle, s Sample) Probe {
	r := t.rows.at(h)
	return Probe{
		Peer: t.announcers.at(r.announcer).peer(), Namespace: placeOf(sp.name).Namespace, CID: s.CID,
		Record: r.record(), Verified: r.verified, ref: t.refTo(h),
	}
}

func (t *Table) drawRow(sp *space) handle {
	b := sp.buckets[t.draw()%uint64(len(sp.buckets))]
	if len(b.groups) == 0 {
		return 0
	}
	g := t.groups.at(b.groups[t.draw()%uint64(len(b.groups))])
	return g.at(int(t.draw() % uint64(g.size())))
}

// Probed takes what a probe showed. A partial copy may lack a CID in its range,
// so only a complete one is lowered for that.
func (t *Table) Probed(now time.Time, p Probe, has bool) {
	h := t.deref(p.ref)
	switch {
	case h == 0:
	case has:
		t.score(second(now), h, Served)
	case t.rows.at(h).flags&flagComplete != 0:
		t.score(second(now), h, Empty)
	}
	t.stat.Probed++
}
