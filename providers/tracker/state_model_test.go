package tracker

import (
	"fmt"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/souk-p2p/souk/providers/record"
)

// model is the table as one would write it without a thought for memory or time.
type model struct {
	rows map[modelKey]*modelRow
}

type modelKey struct {
	id        peer.ID
	namespace string
}

type modelRow struct {
	a         Announcement
	ttl       time.Duration
	until     time.Time
	withdrawn bool
	places    int
}

func (m *model) announce(now time.Time, a Announcement) Verdict {
	key := modelKey{a.Peer, a.Namespace}
	ttl := ClampTTL(a.TTL)
	had := m.rows[key]
	live, gone := m.count(a.Peer, a.Namespace)
	places := countPlaces(a.Ranges)
	switch {
	case a.Issued.Sub(now) > 10*time.Minute:
		return Verdict{Refusal: RefusedEarly}
	case now.Sub(a.Issued) > 10*time.Minute:
		return Verdict{Refusal: RefusedLate}
	case had != nil && had.a.Seq >= a.Seq:
		return Verdict{Refusal: RefusedSequence, Seq: had.a.Seq}
	case ttl == 0 && had == nil:
		return Verdict{Refusal: RefusedUnknown}
	case ttl != 0 && (live+places > modelQuota || live+gone+places > 2*modelQuota):
		return Verdict{Refusal: RefusedNamespaces}
	}
	r := &modelRow{a: a, ttl: ttl, until: now.Add(ttl), withdrawn: ttl == 0, places: places}
	if r.withdrawn {
		r.until, r.places = now.Add(2*time.Hour), had.places
	}
	m.rows[key] = r
	return Verdict{}
}

func (m *model) touch(now time.Time, id peer.ID, namespace string, seq uint64) Verdict {
	r := m.rows[modelKey{id, namespace}]
	switch {
	case r == nil || r.withdrawn:
		return Verdict{Refusal: RefusedUnknown}
	case r.a.Seq != seq:
		return Verdict{Refusal: RefusedSequence, Seq: r.a.Seq}
	}
	until := now.Add(r.ttl)
	if end := r.a.Issued.Add(24 * time.Hour); end.Before(until) {
		until = end
	}
	if until.After(r.until) {
		r.until = until
	}
	return Verdict{}
}

func (m *model) tick(now time.Time) {
	for key, r := range m.rows {
		if !r.until.After(now) {
			delete(m.rows, key)
		}
	}
}

// count counts the rows of a peer in other namespaces.
func (m *model) count(id peer.ID, besides string) (live, gone int) {
	for key, r := range m.rows {
		switch {
		case key.id != id || key.namespace == besides:
		case r.withdrawn:
			gone += r.places
		default:
			live += r.places
		}
	}
	return live, gone
}

// matching are the peers that may be in the answer to a query.
func (m *model) matching(q Query) map[peer.ID]Announcement {
	all := map[peer.ID]Announcement{}
	for key, r := range m.rows {
		if key.namespace == q.Namespace && key.id != q.Peer && !r.withdrawn && r.a.Roles&q.Roles == q.Roles && holding(r.a, q) {
			all[key.id] = r.a
		}
	}
	return all
}

// holding tells whether an announcement is for what a query asks.
func holding(a Announcement, q Query) bool {
	everything := a.Ranges.Everything() && a.Keys.Empty()
	switch {
	case q.HasPoint:
		return everything || a.Keys.Empty() && a.Ranges.Contains(q.Point)
	case a.Ranges.Narrow():
		return false
	case q.Key != "":
		return everything || a.Keys.Contains(q.Key)
	}
	return true
}

const modelQuota = 4

// pair is a table and its model.
type pair struct {
	*rig
	model model
}

func (p *pair) seconds(rt *rapid.T) {
	p.pass(time.Duration(rapid.IntRange(1, 3000).Draw(rt, "seconds")) * time.Second)
	p.model.tick(p.now)
}

func (p *pair) peer(rt *rapid.T) int { return rapid.IntRange(0, 40).Draw(rt, "peer") }

func (p *pair) namespace(rt *rapid.T) string {
	return rapid.SampledFrom([]string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"}).Draw(rt, "namespace")
}

func (p *pair) announcement(rt *rapid.T) {
	n := p.peer(rt)
	a := p.row(n, p.namespace(rt))
	a.Seq = rapid.Uint64Range(0, 30).Draw(rt, "seq")
	a.TTL = time.Duration(rapid.SampledFrom([]int{0, 0, 1, 100, 3600, 7200, 90000}).Draw(rt, "ttl")) * time.Second
	a.Issued = p.now.Add(time.Duration(rapid.IntRange(-700, 700).Draw(rt, "issued")) * time.Second)
	a.Origin = from(rapid.IntRange(0, 6).Draw(rt, "prefix"))
	a.Roles = Roles(rapid.IntRange(0, 3).Draw(rt, "roles"))
	a.Verified = record.AddrSet(rapid.Uint16Range(0, 1).Draw(rt, "verified"))
	switch low := record.Point(rapid.Uint16Range(0, 1<<14).Draw(rt, "low")); {
	case low < 2000:
		a.Ranges = spans(low, 1<<15) // In more than eight shards.
	case low < 10_000:
		a.Ranges = spans(low, low+500)
	case low < 12_000:
		a.Keys = keys(record.KeyRange{From: "b", To: "f"}, record.KeyRange{From: "m"})
	}
	require.Equal(rt, p.model.announce(p.now, a), p.table.Announce(p.now, a))
	p.audit()
}

func (p *pair) refresh(rt *rapid.T) {
	n, namespace := p.peer(rt), p.namespace(rt)
	seq := uint64(0)
	if r := p.model.rows[modelKey{who(n), namespace}]; r != nil {
		seq = r.a.Seq
	}
	require.Equal(rt, p.model.touch(p.now, who(n), namespace, seq), p.table.Touch(p.now, who(n), from(n), namespace, seq))
	p.audit()
}

func (p *pair) question(rt *rapid.T) {
	q := Query{
		Peer: who(p.peer(rt)), Namespace: p.namespace(rt), K: rapid.Uint64Range(0, 70).Draw(rt, "k"), Seed: rapid.Uint64().Draw(rt, "seed"),
		Roles: Roles(rapid.IntRange(0, 3).Draw(rt, "wanted")), Point: record.Point(rapid.Uint16Range(0, 1<<14).Draw(rt, "point")), HasPoint: rapid.Bool().Draw(rt, "pointed"),
	}
	if !q.HasPoint {
		q.Key = rapid.SampledFrom([]string{"", "a", "b", "ez", "f", "n"}).Draw(rt, "key")
	}
	matching := p.model.matching(q)
	answer := p.query(q)
	require.Len(rt, answer.Rows, min(len(matching), int(min(q.K, 64))), "all that match, up to K")
	unverified, narrow := false, false
	for _, c := range answer.Rows {
		a, ok := matching[c.Peer]
		require.True(rt, ok, "is no answer, or is there twice")
		require.Equal(rt, a.Record, c.Record)
		require.Equal(rt, a.Verified, c.Verified)
		require.False(rt, narrow && !a.Ranges.Narrow(), "wide ones come first")
		require.False(rt, c.Verified != 0 && unverified && narrow == a.Ranges.Narrow(), "verified ones come first")
		unverified, narrow = c.Verified == 0, a.Ranges.Narrow()
		delete(matching, c.Peer)
	}
}

func (p *pair) restart(*rapid.T) {
	restored := newRig(p.t, p.table.limits)
	for chunk := range p.chunks(512) {
		_, err := restored.table.Restore(p.now, chunk)
		require.NoError(p.t, err)
		restored.audit()
	}
	restored.table.Tick(p.now)
	p.table = restored.table
	p.audit()
}

func TestTheTableDoesWhatItsModelDoes(t *testing.T) {
	for _, bucketRows := range []int{1, 5, 4096} {
		t.Run(fmt.Sprint(bucketRows), func(t *testing.T) {
			rapid.Check(t, func(rt *rapid.T) {
				limits := open()
				limits.BucketRows, limits.Namespaces, limits.TableBytes = bucketRows, modelQuota, 2<<20
				p := &pair{newRig(t, limits), model{map[modelKey]*modelRow{}}}
				rt.Repeat(map[string]func(*rapid.T){
					"announce": p.announcement, "announce more": p.announcement, "announce again": p.announcement,
					"touch": p.refresh, "query": p.question, "pass": p.seconds, "restart": p.restart,
				})
			})
		})
	}
}
