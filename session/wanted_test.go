package session

import (
	"slices"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// A want that has become a little larger costs a whole size class more.
func TestAWantFitsIntoItsSizeClass(t *testing.T) {
	require.LessOrEqual(t, unsafe.Sizeof(wanted{}), uintptr(96))
}

// What few wants have, several calls or want-blocks, comes and goes as in plain
// lists.
func TestAWantKeepsWhatFewHaveAsAListDoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, calls, at := &wanted{stage: asked}, []callID{}, map[int]int{}
		t.Repeat(map[string]func(*rapid.T){
			"join": func(t *rapid.T) {
				if id := callID(rapid.IntRange(1, 6).Draw(t, "call")); !slices.Contains(calls, id) {
					w.join(id)
					calls = append(calls, id)
				}
			},
			"part": func(t *rapid.T) {
				if id := callID(rapid.IntRange(1, 6).Draw(t, "call")); slices.Contains(calls, id) {
					w.part(id)
					calls = slices.DeleteFunc(calls, func(o callID) bool { return o == id })
				}
			},
			"assign": func(t *rapid.T) {
				if i := rapid.IntRange(0, 3).Draw(t, "peer"); at[i] == 0 {
					at[i] = rapid.IntRange(1, 9).Draw(t, "size")
					w.assign(i, at[i])
				}
			},
			"withdraw": func(t *rapid.T) {
				i := rapid.IntRange(0, 3).Draw(t, "peer")
				size, was := w.withdrawn(i)
				require.Equal(t, at[i], size)
				require.Equal(t, at[i] > 0, was)
				delete(at, i)
			},
			"": func(t *rapid.T) {
				got := []callID{}
				if w.call != 0 {
					got = append([]callID{w.call}, w.others()...)
				}
				require.Equal(t, calls, got, "in the order in which they came")
				out := map[int]int{}
				for a := range w.assignments() {
					out[int(a.peer)] = int(a.size)
				}
				require.Equal(t, at, out)
				require.Equal(t, len(at) == 1, w.alone() >= 0)
				require.Equal(t, len(calls) > 1 || len(at) > 1, w.rare != nil, "it is let go")
			},
		})
	})
}
