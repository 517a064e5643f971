package tracker

import (
	"fmt"
	"testing"
)

// crowded is a table of a million rows of as many peers: one namespace with a
// fifth of them, the others with 64 each.
func crowded(b *testing.B) *rig {
	r := newRig(b, Limits{TableBytes: 1 << 30, NamespaceBytes: 512 << 20, PeerRate: free, PrefixRate: free})
	r.blind = true
	for i := range 1_000_000 {
		a := r.row(i, fmt.Sprint("ns", i/64))
		if i%5 == 0 {
			a.Namespace = "hot"
		}
		a.Origin, a.Record = from(i/4), make([]byte, 224)
		r.announced(a)
	}
	return r
}

func BenchmarkQuery(b *testing.B) {
	r := crowded(b)
	into := make([]Candidate, 0, 64)
	for _, c := range []struct {
		name string
		of   func(i int) string
		k    uint64
	}{
		{"many namespaces, K=8", func(i int) string { return fmt.Sprint("ns", i*7919%15625) }, 8},
		{"hot namespace, K=8", func(int) string { return "hot" }, 8},
		{"hot namespace, K=64", func(int) string { return "hot" }, 64},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for i := range b.N {
				q := Query{Peer: who(i % 1_000_000), Origin: from(i % 50_000), Namespace: c.of(i), K: c.k, Seed: uint64(i + 1)}
				if a := r.table.Query(r.now, q, into[:0]); len(a.Rows) != int(c.k) {
					b.Fatal(len(a.Rows))
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "queries/s")
		})
	}
}

func BenchmarkAnnounce(b *testing.B) {
	r := newRig(b, Limits{TableBytes: 256 << 20, PeerRate: free, PrefixRate: free})
	r.blind = true
	record := make([]byte, 224)
	b.ReportAllocs()
	for i := range b.N {
		a := r.row(i%500_000, fmt.Sprint("ns", i%5000))
		a.Record = record
		r.announce(a)
	}
}
