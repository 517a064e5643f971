package document_test

import (
	"context"
	"fmt"
	"iter"
	"testing"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/multiformats/go-multihash"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/adapter/pebbledb"
	"github.com/souk-p2p/souk/download/document"
	"github.com/souk-p2p/souk/download/policy"
	"github.com/souk-p2p/souk/internal/heaptest"
)

// many yields n entries as a directory of photos has them, in no order.
func many(n int) iter.Seq2[document.Entry, error] {
	return func(yield func(document.Entry, error) bool) {
		for i := range n {
			at := uint64(i) * 7_368_787 % uint64(n) // a prime, so that each comes once
			key := fmt.Appendf(nil, "photos/%02d/%04d/%08d.jpg", at%10, at/1000, at)
			sum, err := multihash.Sum(key, multihash.SHA2_256, -1)
			if !yield(document.Entry{Key: key, CID: cid.NewCidV1(cid.DagProtobuf, sum), Size: 300_000}, err) {
				return
			}
		}
	}
}

// meter measures a step per entry, and the most that was live in memory meanwhile.
type meter struct {
	b      *testing.B
	before int
	begin  time.Time
	peak   int
	n      int
}

func newMeter(b *testing.B) *meter {
	m := &meter{b: b, before: heaptest.Held()}
	m.begin = time.Now()
	return m
}

// tick is called for each entry, and looks at the memory ten times.
func (m *meter) tick(of int) {
	if m.n++; m.n%max(of/10, 1) == 0 {
		begin := time.Now()
		m.peak = max(m.peak, heaptest.Held())
		m.begin = m.begin.Add(time.Since(begin))
	}
}

func (m *meter) report(name string, of int) {
	took := time.Since(m.begin)
	m.b.ReportMetric(took.Seconds(), name+"-s")
	m.b.ReportMetric(float64(took.Nanoseconds())/float64(of), name+"-ns/entry")
	if m.peak > 0 {
		m.b.ReportMetric(float64(m.peak-m.before)/(1<<20), name+"-MiB")
	}
}

// BenchmarkEntries makes a document of so many entries in a database on the disk, asks
// what is missing of it when nothing is here and when all is marked, and changes its
// policy.
//
//	go test ./download/document -run NONE -bench Entries -benchtime 1x
func BenchmarkEntries(b *testing.B) {
	for _, n := range []int{10_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				benchmark(b, n)
			}
		})
	}
}

func benchmark(b *testing.B, n int) {
	ctx := b.Context()
	d, err := pebbledb.Open(b.TempDir())
	require.NoError(b, err)
	defer d.Close()
	s := document.NewStore(d)
	defer func() { require.NoError(b, s.Close(ctx)) }()

	m := newMeter(b)
	made, err := s.Create(ctx, document.Draft{Name: "photos", Root: firstOf(b)}, func(yield func(document.Entry, error) bool) {
		for e, err := range many(n) {
			if m.tick(n); !yield(e, err) {
				return
			}
		}
	})
	require.NoError(b, err)
	m.report("import", n)

	doc, err := s.Document(ctx, made.ID)
	require.NoError(b, err)
	absent := func(context.Context, cid.Cid) (document.Presence, error) { return document.Presence{Absent: 1}, nil }
	missing := func(name string, p policy.Policy, look document.Look, want int) {
		m := newMeter(b)
		found := 0
		for _, err := range document.Missing(ctx, doc, p, nil, look) {
			require.NoError(b, err)
			m.tick(n)
			found++
		}
		require.Equal(b, want, found)
		m.report(name, n)
	}
	missing("missing", policy.Everything(), absent, n)

	part, err := policy.Parse("nothing-except", "prefix:utf8:photos/03/")
	require.NoError(b, err)
	m = newMeter(b)
	require.NoError(b, s.SetPolicy(ctx, made.ID, part))
	m.report("policy", n)
	missing("tenth", part, absent, n/10)
	one, err := policy.Parse("nothing-except", "exact:utf8:photos/00/0000/00000000.jpg")
	require.NoError(b, err)
	missing("one", one, absent, 1)

	whole := func(context.Context, cid.Cid) (document.Presence, error) {
		return document.Presence{Blocks: 2, Bytes: 2}, nil
	}
	missing("marking", policy.Everything(), whole, 0)
	missing("marked", policy.Everything(), whole, 0)
	m = newMeter(b)
	require.NoError(b, s.Keep(ctx, func(cid.Cid) bool { return true }))
	m.report("keep", n)
	m = newMeter(b)
	_, err = s.Remove(ctx, made.ID)
	require.NoError(b, err)
	m.report("remove", n)
}

func firstOf(b *testing.B) cid.Cid {
	for e, err := range many(1) {
		require.NoError(b, err)
		return e.CID
	}
	return cid.Undef
}
