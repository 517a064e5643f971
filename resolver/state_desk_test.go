package resolver

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// About each key the Consumer hears one thing after the other, in order; a few keys at
// once; and nothing is forgotten.
func TestTasksOfAKeyAreDoneOneAfterTheOther(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := newDesk(rapid.IntRange(1, 3).Draw(t, "most"))
		added, begun := make(map[Key]int), make(map[Key]int)
		running := make(map[Key]task)
		begin := func() {
			for {
				task, some := d.begin()
				if !some {
					return
				}
				require.NotContains(t, running, task.key)
				require.Equal(t, begun[task.key], int(task.parts[0][0]), "in order")
				begun[task.key]++
				running[task.key] = task
				require.LessOrEqual(t, len(running), d.most)
			}
		}
		end := func(k Key) {
			delete(running, k)
			d.done(k, true)
		}
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				k := Key(rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(t, "key"))
				d.add(task{key: k, parts: [][]byte{{byte(added[k])}}})
				added[k]++
				begin()
			},
			"end": func(t *rapid.T) {
				for _, k := range []Key{"a", "b", "c", "d"} {
					if _, runs := running[k]; runs {
						end(k)
						break
					}
				}
				begin()
			},
		})
		for len(running) > 0 {
			for k := range running {
				end(k)
			}
			begin()
		}
		require.Equal(t, added, begun)
		require.Equal(t, &desk{most: d.most, behind: map[Key][]task{}}, d, "nothing is left")
	})
}
