package wire

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/test/internal/exchanges"
	"github.com/souk-p2p/souk/test/sim"
)

// A partner is a sequence of wantlists with what has to come back all in all:
// when each finds the one before answered, when it comes while the block of the
// one before is being read, and when it comes before the first was looked up.
// Letters are there, digits are not.
type partner struct {
	name    string
	asks    []ask
	answers answer
	reading answer // if other than answers
	behind  answer // if other than reading
}

var partners = []partner{
	{
		name:    "want-blocks",
		asks:    []ask{{blocks: "aeiou"}},
		answers: answer{blocks: "aeiou"},
	},
	{
		name:    "want-blocks and want-haves",
		asks:    []ask{{blocks: "aeiou", haves: "fgh"}},
		answers: answer{blocks: "aeiou", haves: "fgh"},
	},
	{
		name:    "want-haves that are not there, in silence",
		asks:    []ask{{blocks: "aeiou", haves: "fgh123"}},
		answers: answer{blocks: "aeiou", haves: "fgh"},
	},
	{
		name:    "want-haves that are not there",
		asks:    []ask{{blocks: "aeiou", haves: "fgh123", dontHave: true}},
		answers: answer{blocks: "aeiou", haves: "fgh", dontHaves: "123"},
	},
	{
		name:    "wants of both kinds that are not there, in silence",
		asks:    []ask{{blocks: "aeiou123", haves: "fgh456"}},
		answers: answer{blocks: "aeiou", haves: "fgh"},
	},
	{
		name:    "wants of both kinds that are not there",
		asks:    []ask{{blocks: "aeiou123", haves: "fgh456", dontHave: true}},
		answers: answer{blocks: "aeiou", haves: "fgh", dontHaves: "123456"},
	},
	{
		name:    "want-blocks in three messages",
		asks:    []ask{{blocks: "ae"}, {blocks: "io"}, {blocks: "u"}},
		answers: answer{blocks: "aeiou"},
	},
	{
		name:    "wants of both kinds in three messages",
		asks:    []ask{{blocks: "ae", haves: "jk"}, {blocks: "io", haves: "lm"}, {blocks: "u"}},
		answers: answer{blocks: "aeiou", haves: "jklm"},
	},
	{
		name: "wants of both kinds in three messages, some not there",
		asks: []ask{
			{blocks: "ae12", haves: "jk5", dontHave: true},
			{blocks: "io34", haves: "lm", dontHave: true},
			{blocks: "u", haves: "6", dontHave: true},
		},
		answers: answer{blocks: "aeiou", haves: "jklm", dontHaves: "123456"},
	},
	{
		name:    "a want-have after the want-block",
		asks:    []ask{{blocks: "a", dontHave: true}, {haves: "a", dontHave: true}},
		answers: answer{blocks: "a", haves: "a"},
		reading: answer{blocks: "a"},
	},
	{
		name:    "a want-block after the want-have",
		asks:    []ask{{haves: "b", dontHave: true}, {blocks: "b", dontHave: true}},
		answers: answer{blocks: "b", haves: "b"},
		behind:  answer{blocks: "b"},
	},
	{
		name:    "a want-block twice",
		asks:    []ask{{blocks: "a", dontHave: true}, {blocks: "a", dontHave: true}},
		answers: answer{blocks: "aa"},
		reading: answer{blocks: "a"},
	},
	{
		name:    "a want-have twice",
		asks:    []ask{{haves: "a", dontHave: true}, {haves: "a", dontHave: true}},
		answers: answer{haves: "aa"},
		behind:  answer{haves: "a"},
	},
	{
		name:    "a want-block twice that is not there",
		asks:    []ask{{blocks: "1", dontHave: true}, {blocks: "1", dontHave: true}},
		answers: answer{dontHaves: "11"},
		behind:  answer{dontHaves: "1"},
	},
	{
		name:    "a DONT_HAVE that is asked for later",
		asks:    []ask{{blocks: "1"}, {blocks: "1", dontHave: true}},
		answers: answer{dontHaves: "1"},
	},
	{
		name:    "a want and its cancel in one message",
		asks:    []ask{{blocks: "ab", cancels: "a", dontHave: true}},
		answers: answer{blocks: "b"},
	},
	{
		name:    "a cancel of what was never wanted",
		asks:    []ask{{cancels: "a1"}, {blocks: "a", dontHave: true}},
		answers: answer{blocks: "a"},
	},
	{
		name:    "a cancel before the answer",
		asks:    []ask{{blocks: "1", haves: "2"}, {cancels: "12"}, {blocks: "a"}},
		answers: answer{blocks: "a"},
	},
	{
		name:    "an empty wantlist",
		asks:    []ask{{}, {blocks: "a"}},
		answers: answer{blocks: "a"},
	},
}

// Each sequence of wantlists has exactly the answers that boxo's engine gives,
// and boxo is asked too. The wantlists of a sequence come on one stream.
func TestPartnersGetExactlyWhatTheyWant(t *testing.T) {
	for _, m := range both {
		t.Run("answered before the next, "+string(m), func(t *testing.T) {
			runPartners(t, m, func(g *gate) *chan struct{} { return nil }, func(p partner) answer { return p.answers })
		})
		t.Run("read while the next comes, "+string(m), func(t *testing.T) {
			runPartners(t, m, func(g *gate) *chan struct{} { return &g.reads }, partner.whileRead)
		})
	}
	// boxo looks up a wantlist before it reads the next, so that none can be behind.
	t.Run("looked up after all have come", func(t *testing.T) {
		runPartners(t, exchanges.MakeSouk, func(g *gate) *chan struct{} { return &g.sizes }, partner.beforeLookup)
	})
}

func (p partner) whileRead() answer {
	if p.reading == (answer{}) {
		return p.answers
	}
	return p.reading
}

func (p partner) beforeLookup() answer {
	if p.behind == (answer{}) {
		return p.whileRead()
	}
	return p.behind
}

// runPartners sends every sequence, while what held names is held back, and
// compares the answers.
func runPartners(t *testing.T, m exchanges.Make, held func(*gate) *chan struct{}, want func(partner) answer) {
	playAll(t, len(partners), func(t *testing.T, w *sim.World) {
		server, g := gated(t, w, m)
		peer := w.Recorder(lan, nil)
		w.Put(server, letters("abcdefghijklmnopqrstuvwxyz")...)
		w.Connect(peer.Node, server)
		w.Settle()
		for _, p := range partners {
			if door := held(g); door != nil {
				g.hold(door)
			}
			voice := peer.Open(server)
			for _, a := range p.asks {
				voice.Say(a.message())
				w.Pass(time.Second)
			}
			if door := held(g); door != nil {
				g.release(door)
			}
			w.Pass(time.Second)
			require.Equal(t, want(p), answered(peer.Take()), p.name)
			voice.Say(ask{full: true}.message())
			voice.Close()
			w.Pass(time.Second)
		}
	})
}
