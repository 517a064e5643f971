package sim
import ("testing";"time";"github.com/ipfs/go-cid";"github.com/souk-p2p/souk/session";"github.com/souk-p2p/souk/test/internal/corpus";"github.com/souk-p2p/souk/test/internal/exchanges")
func TestTryMany(t *testing.T) {
 l := Link{50*time.Millisecond, 100*mbs}
 play(t, func(w *World) Figures {
	data := corpus.Blocks(1, 4000, 4*kib)
	seed, client := w.Node(exchanges.MakeBoxo, l), w.Node(exchanges.MakeSouk, l)
	w.Put(seed, data...)
	w.Connect(client, seed)
	w.Settle()
	w.Begin()
	in := make(chan cid.Cid)
	go func(){ defer close(in); for _, b := range data { in <- b.Cid() } }()
	ok, bad := 0, map[string]int{}
	x := client.Exchange.(*exchanges.Souk)
	var first time.Duration
	for r := range x.NewSession(w.ctx, session.WithPeers(seed.ID())).Results(w.ctx, in) {
		if r.Err != nil { if len(bad)==0 { first = w.Took() }; bad[r.Err.Error()[80:]]++; if bad[r.Err.Error()[80:]] == 1 {t.Log(w.Took(), r.Err)} } else { ok++ }
		if ok % 500 == 0 && r.Err == nil { t.Log(w.Took(), ok, len(seed.Exchange.WantsOf(client.ID()))) }
	}
	t.Log(ok, bad, first, w.Took())
	rc, _ := x.Ledger(seed.ID())
	t.Logf("%+v", rc)
	t.Logf("%+v", seed.Exchange.Counters())
	return Figures{}
 })
}
