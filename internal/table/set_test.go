package table

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/souk-p2p/souk/internal/heaptest"
)

func TestASetHasWhatWasAdded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, model := NewSet(), map[string]bool{}
		for range rapid.IntRange(0, 800).Draw(t, "times") {
			text := strconv.Itoa(rapid.IntRange(0, 500).Draw(t, "text"))
			h := s.Hash(text)
			require.Equal(t, model[text], s.Has(h))
			require.Equal(t, !model[text], s.Add(h))
			model[text] = true
			require.Equal(t, len(model), s.Len())
		}
		for i := range 600 {
			text := strconv.Itoa(i)
			require.Equal(t, model[text], s.Has(s.Hash(text)))
		}
	})
}

func TestSetsHashUnderTheirOwnKeys(t *testing.T) {
	require.NotEqual(t, NewSet().Hash("x"), NewSet().Hash("x"))
	s := NewSet()
	require.Equal(t, s.Hash("x"), s.Hash("x"))
	require.NotEqual(t, s.Hash("x"), s.Hash("y"))
}

func TestASetTakesWhatItSays(t *testing.T) {
	const strings = 300_000
	before := heaptest.Held()
	s := NewSet()
	for i := range strings {
		s.Add(s.Hash(strconv.Itoa(i)))
	}
	taken := float64(heaptest.Held()-before) / strings
	require.Equal(t, strings, s.Len())
	require.Less(t, taken, 30.0, "bytes a string")
	require.Greater(t, taken, 15.0, "bytes a string")
}
