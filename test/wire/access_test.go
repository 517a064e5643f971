package wire

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk"
	"github.com/souk-p2p/souk/access"
	"github.com/souk-p2p/souk/test/sim"
)

// said is what a peer was told, and when.
type said struct {
	after time.Duration
	bytes string
}

// unordered is a frame without its order: that of its entries depends on the salt of the
// node, whatever it says.
func unordered(frame []byte) string {
	b := slices.Clone(frame)
	slices.Sort(b)
	return string(b)
}

// interview asks a node for five blocks in every way, before and after three of them
// are put, and returns what it said.
func interview(t *testing.T, rules func(partner peer.ID) string, has, puts string) []said {
	t.Helper()
	var all []said
	play(t, func(t *testing.T, w *sim.World) {
		partner := w.Recorder(lan, nil)
		r, err := access.Parse("rules", strings.NewReader(rules(partner.ID())))
		require.NoError(t, err)
		server := soukWith(t, w, souk.WithAccessRules(r))
		w.Put(server, letters(has)...)
		w.Connect(partner.Node, server)
		w.Settle()
		begun := time.Now()
		partner.Tell(server, ask{blocks: "a", haves: "b", dontHave: true}.message(), ask{blocks: "c", haves: "d"}.message())
		w.Pass(time.Second)
		w.Put(server, letters(puts)...)
		w.Pass(time.Second)
		partner.Tell(server, ask{blocks: "ae", dontHave: true}.message())
		w.Pass(time.Second)
		for _, f := range partner.Frames() {
			if !f.Said {
				all = append(all, said{f.At.Sub(begun), unordered(f.Bytes)})
			}
		}
	})
	return all
}

// Who is refused hears the same bytes at the same time as who asks for what is not
// there, whatever the rule is about.
func TestARefusalIsNotToBeToldFromAnAbsence(t *testing.T) {
	absent := interview(t, func(peer.ID) string { return "" }, "z", "y")
	require.NotEmpty(t, absent)
	for name, rules := range map[string]func(peer.ID) string{
		"peer":    func(p peer.ID) string { return "deny peer " + p.String() },
		"net":     func(peer.ID) string { return "deny net 0.0.0.0/0" },
		"default": func(peer.ID) string { return "default deny" },
		"class":   func(p peer.ID) string { return "class bad peer " + p.String() + "\ndeny class bad" },
		"blocks": func(peer.ID) string {
			var lines []string
			for _, b := range letters("abcde") {
				lines = append(lines, "deny cid "+b.Cid().String())
			}
			return strings.Join(lines, "\n")
		},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, absent, interview(t, rules, "abcd", "cde"))
		})
	}
	require.NotEqual(t, absent, interview(t, func(peer.ID) string { return "" }, "abcd", "cde"), "the blocks are there")
}
