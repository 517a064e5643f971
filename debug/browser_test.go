//go:build system

package debug

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/ledger"
)

const hostile = `<img src=x onerror="document.title='taken'"><script>document.title='taken'</script>`

func TestPagesInABrowser(t *testing.T) {
	town := newTown(300)
	s, err := Listen(t.Context(), "127.0.0.1:0", Handler(town.config()), ListenConfig{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	c := browse(t)
	c.screen(1280, 900, "light")
	at := s.URL()

	t.Run("every page loads, in both schemes and on a phone", func(t *testing.T) {
		for name, path := range map[string]string{
			"overview": "", "ledgers": "ledgers", "ledger": "ledgers/" + town.ledgers[0].Peer.String(), "wants": "wants",
			"sessions": "sessions", "session": "sessions/7", "actors": "actors", "tracker": "tracker", "resolver": "resolver",
		} {
			for _, of := range []struct {
				width, height int
				device        string
			}{{1280, 900, "desktop"}, {390, 844, "phone"}} {
				for _, scheme := range []string{"light", "dark"} {
					c.screen(of.width, of.height, scheme)
					c.open(at + path)
					require.NotEmpty(t, c.text("h1"))
					require.Equal(t, true, c.eval("document.documentElement.scrollWidth <= innerWidth"), "%s is wider than a %s", name, of.device)
					c.picture(name + "-" + of.device + "-" + scheme)
				}
			}
		}
		c.screen(1280, 900, "light")
	})

	t.Run("a click sorts without loading the page anew", func(t *testing.T) {
		c.open(at + "ledgers")
		c.eval("window.same = true")
		c.eval(`document.getElementById("by-sent").click()`)
		c.until(`document.querySelector("th[aria-sort='descending'] a")?.id === "by-sent"`)
		require.Contains(t, c.text("tbody tr:first-child th"), short(town.mostSent()))
		c.eval(`document.getElementById("by-sent").click()`)
		c.until(`document.querySelector("th[aria-sort='ascending'] a")?.id === "by-sent"`)
		require.Equal(t, true, c.eval("window.same"))
		require.Contains(t, c.eval("location.search"), "sort=-sent")
	})

	t.Run("what is typed filters", func(t *testing.T) {
		c.open(at + "ledgers")
		c.eval(`(() => { const q = document.querySelector("[name=q]"); q.value = "rare"; q.dispatchEvent(new Event("input", {bubbles: true})); })()`)
		c.until(`document.querySelectorAll("#list tbody tr").length === 1`)
		require.Contains(t, c.text("#list tbody .agent"), "rare/1.0")
		c.eval(`(() => { const s = document.querySelector("[name=state]"); s.value = "closed"; s.dispatchEvent(new Event("change", {bubbles: true})); })()`)
		c.until(`document.querySelector("#list").innerText.includes("No peer is like that")`)
	})

	t.Run("pages are turned", func(t *testing.T) {
		c.open(at + "ledgers")
		before := c.text("#list tbody tr:first-child th")
		c.eval(`document.querySelector("a[rel=next]").click()`)
		c.until(`document.querySelector("#pager span").innerText.startsWith("101 to 200")`)
		require.NotEqual(t, before, c.text("#list tbody tr:first-child th"))
		c.until(`document.querySelector("a[rel=first]") !== null`)
	})

	t.Run("numbers change by themselves, and stop when told", func(t *testing.T) {
		c.open(at + "ledgers")
		shown := `document.querySelector("#tiles dd").innerText`
		before := c.eval(shown)
		town.hurry()
		c.until(shown + " !== " + quote(fmt.Sprint(before)))
		c.eval(`document.getElementById("live").click()`)
		require.Equal(t, "Paused", c.text("#live"))
	})

	t.Run("the focus stays when the list is replaced", func(t *testing.T) {
		c.open(at + "ledgers")
		c.eval(`document.getElementById("by-received").focus()`)
		before := c.eval(`document.querySelector("#clock").innerText`)
		town.hurry()
		c.until(`document.querySelector("#clock").innerText !== ` + quote(fmt.Sprint(before)))
		require.Equal(t, "by-received", c.eval("document.activeElement.id"))
	})

	t.Run("a hostile agent is text", func(t *testing.T) {
		c.open(at + "ledgers?q=onerror")
		require.Contains(t, c.text("#list tbody .agent"), hostile)
		require.EqualValues(t, 0, c.eval(`document.querySelectorAll("main img, main script").length`))
		town.hurry()
		time.Sleep(2 * eventEvery) // it is put in by the script, too
		require.Equal(t, "Ledgers · Souk", c.eval("document.title"))
		require.EqualValues(t, 0, c.eval(`document.querySelectorAll("main img, main script").length`))
	})

	t.Run("nothing in a page runs but its script", func(t *testing.T) {
		c.open(at + "ledgers")
		require.Equal(t, true, c.eval(`(() => {
			const s = document.createElement("script");
			s.textContent = "window.taken = true";
			document.body.append(s);
			return window.taken === undefined;
		})()`))
	})

	c.mu.Lock()
	defer c.mu.Unlock()
	for _, of := range c.troubles {
		if !strings.Contains(of, "script-src") && !strings.Contains(of, "net::ERR_ABORTED") { // tried above; a page that was left
			t.Error(of)
		}
	}
}

// town is a node with many peers.
type town struct {
	mu sync.Mutex
	*source
	moved int
}

func newTown(peers int) *town {
	s := busy()
	history := s.ledgers[0].History
	s.ledgers = nil
	for i := range peers {
		p := id(fmt.Sprint("town ", i))
		r := inhabitant(p, i)
		r.Agent = []string{"kubo/0.42.0/desktop", "souk/1.2.3", "rainbow/1.18.0", "helia/5.0.0 libp2p/2.1.0 UserAgent=v22.1.0", ""}[i%5]
		if i%3 == 0 {
			r.Rates = ledger.Rates{Received10s: float64(1 + i*40_000), Received1m: float64(i * 30_000), Sent10s: float64(i % 7 * 100_000)}
		}
		s.ledgers = append(s.ledgers, r)
	}
	s.ledgers[1].Agent, s.ledgers[2].Agent = hostile, "rare/1.0"
	s.ledgers[0].History, s.ledgers[0].FirstSeen, s.ledgers[0].Since = history, noon.Add(-72*time.Hour), noon.Add(-time.Hour)
	s.peers[0].Peer, s.sent[0].Peer, s.received[0].Peer = s.ledgers[0].Peer, s.ledgers[0].Peer, s.ledgers[0].Peer
	s.tracker, _ = trackingNode("photos", "maps", "linux-isos").tracker, 0
	s.services = resolvingNode().services
	return &town{source: s}
}

func inhabitant(p peer.ID, i int) ledger.Receipt {
	n := uint64(i)
	r := ledger.Receipt{
		Peer:     p,
		Counters: ledger.Counters{BytesReceived: (300 - n%300) << 22, BlocksReceived: (300 - n%300) << 4, BytesSent: n * n << 12, BlocksSent: n * n, WantsSent: 5 * n, WantsReceived: 3 * n, Duplicates: n % 11},
		Latency:  time.Duration(5+i%90) * time.Millisecond, Throughput: float64(n) * 70_000, Score: float64(i%100) / 100,
		LastExchange: noon.Add(-time.Duration(i*i) * time.Second), Connected: i%4 != 3,
	}
	r.Exchanged, r.Value = r.BlocksReceived+r.BlocksSent, float64(r.BytesSent)/float64(r.BytesReceived+1)
	if i%17 == 5 {
		r.Faults = map[string]uint64{"never-sent": n%3 + 1}
	}
	return r
}

func (s *town) config() Config {
	cfg := s.source.config()
	cfg.Source, cfg.Now = s, s.now
	return cfg
}

// now is later with each time that the town hurries.
func (s *town) now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return noon.Add(time.Duration(s.moved) * time.Minute)
}

// hurry lets more data pass.
func (s *town) hurry() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.moved++
}

func (s *town) Ledgers() []ledger.Receipt {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.source.Ledgers()
	for i := range all {
		all[i].Rates.Received10s += float64(s.moved) * 1e4
		all[i].History = nil
	}
	return all
}

func (s *town) mostSent() peer.ID {
	best := &s.ledgers[0]
	for i := range s.ledgers {
		if s.ledgers[i].BytesSent > best.BytesSent {
			best = &s.ledgers[i]
		}
	}
	return best.Peer
}
