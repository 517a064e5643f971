package tracker

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/internal/heaptest"
)

// spam is how many announcements the spam test makes; the full number is 10
// million.
var spam = flag.Int("spam", 20_000, "announcements of spam")

// crowds are tables of different shapes: how many rows each peer has, and how many
// peers a prefix.
var crowds = []struct {
	name               string
	rows, each, prefix int
}{
	{"a row a peer, a peer a prefix", 10_000, 1, 1},
	{"a row a peer, 16 peers a prefix", 10_000, 1, 16},
	{"16 rows a peer, 16 peers a prefix", 10_000, 16, 16},
}

func TestARowTakesAtMost256BytesBesideItsRecord(t *testing.T) {
	const record = 224 // a size of the allocator
	for _, c := range crowds {
		t.Run(c.name, func(t *testing.T) {
			before := heaptest.Held()
			r := newRig(t, Limits{TableBytes: 6 << 20, NamespaceBytes: 6 << 20, PeerRate: free, PrefixRate: free})
			r.blind = true
			for i := range c.rows {
				a := r.row(i/c.each, fmt.Sprint("ns", i%c.each))
				a.Origin, a.Record = from(i/c.each/c.prefix), make([]byte, record)
				r.announced(a)
			}
			r.audit()
			held := heaptest.Held() - before
			beside := (r.table.used()-r.table.fixed)/c.rows - record
			t.Logf("%d bytes a row beside its record; %d KiB counted, %d KiB held", beside, r.table.used()>>10, held>>10)
			require.LessOrEqual(t, beside, 256)
			require.InEpsilon(t, r.table.used()-mostScratch, held, 0.03, "what is counted is what is held")
			runtime.KeepAlive(r)
		})
	}
}

// TestSpamDoesNotPushOutHonestRows announces from 300 prefixes with ever new
// peers and namespaces, records of every size, and withdrawals.
func TestSpamDoesNotPushOutHonestRows(t *testing.T) {
	r := newRig(t, Limits{TableBytes: 12 << 20, PeerRate: free, PrefixRate: free})
	r.blind = true
	const honest = 500
	for i := range honest {
		r.announced(r.row(1<<30+i, fmt.Sprint("honest", i%50)))
	}
	chance := rand.New(rand.NewPCG(1, 2))
	for i := range *spam {
		a := r.row(i/(1+chance.IntN(80)), fmt.Sprint("spam", chance.IntN(1<<16)))
		if chance.IntN(3) == 0 {
			a.Namespace = fmt.Sprint("honest", chance.IntN(50))
		}
		a.Origin = from(1<<19 + chance.IntN(300))
		a.Record = make([]byte, chance.IntN(2000))
		r.announce(a)
		if chance.IntN(4) == 0 {
			a.Seq, a.TTL = a.Seq+1, 0
			r.seq++
			r.announce(a)
		}
		require.LessOrEqual(t, r.table.used(), r.table.limits.TableBytes)
		if i%(*spam/10) == 0 {
			r.audit()
			r.pass(time.Second)
		}
	}
	found := map[string]bool{}
	for i := range 50 {
		for seed := range uint64(60) {
			for _, c := range r.ask(fmt.Sprint("honest", i), 64, seed+1).Rows {
				found[string(c.Record)] = true
			}
		}
	}
	for i := range honest {
		require.True(t, found[fmt.Sprintf("record of %d", 1<<30+i)], "row %d of %d", i, honest)
	}
	stat := r.table.Stat()
	require.NotZero(t, stat.Evicted)
	require.NotZero(t, stat.Refused[RefusedFull])
	t.Logf("%+v", stat)
}
