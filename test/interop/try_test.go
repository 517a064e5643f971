package interop
import ("testing";"context";"time";"github.com/libp2p/go-libp2p";"github.com/libp2p/go-libp2p/core/network";"github.com/souk-p2p/souk/test/internal/corpus";"github.com/souk-p2p/souk/test/internal/exchanges")
func TestTry(t *testing.T){
	for _, null := range []bool{true, true,true,true, false,false,false} {
	tr := tcpNoise
	if null { tr.opts = append(tr.opts[:2:2], libp2p.ResourceManager(&network.NullResourceManager{})) }
	server, client := start(t, tcpNoise, exchanges.MakeBoxo), start(t, tr, exchanges.MakeSouk)
		want := corpus.Blocks(1, 4000, 4<<10)
		put(t, server, want...)
		connect(t, client, server)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		n := 0
		b := time.Now()
		for range ask(t, ctx, client, server, want) { n++ }
		cancel()
		t.Log(null, time.Since(b), n, len(server.WantsOf(client.ID())), server.Counters().BlocksSent)
	}
}
