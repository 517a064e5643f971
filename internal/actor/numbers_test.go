package actor_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/internal/actor"
)

func TestNumbersAreGivenOnce(t *testing.T) {
	type number uint64
	n := actor.NewNumbers[number, string]()
	require.Zero(t, n.Of("a"))
	a, b := n.Add("a"), n.Add("b")
	require.Equal(t, []number{1, 2}, []number{a, b})
	require.Equal(t, a, n.Of("a"))
	require.Equal(t, "b", n.Party(b))

	require.Equal(t, "a", n.Remove(a))
	require.Zero(t, n.Of("a"))
	require.Panics(t, func() { n.Party(a) })
	require.Equal(t, number(3), n.Add("a"), "a number was given twice")
	require.ElementsMatch(t, []string{"a", "b"}, slices.Collect(n.All()))
}
