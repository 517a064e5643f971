package due

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTheFirstIsTheEarliestThatIsNotNever(t *testing.T) {
	never, soon := time.Time{}, time.Unix(1000, 0)
	later := soon.Add(1)
	for _, c := range []struct {
		of   []time.Time
		want time.Time
	}{
		{nil, never},
		{[]time.Time{never, never}, never},
		{[]time.Time{never, later}, later},
		{[]time.Time{later, never}, later},
		{[]time.Time{later, soon}, soon},
		{[]time.Time{soon, never, later}, soon},
	} {
		require.Equal(t, c.want, First(c.of...), "of %v", c.of)
	}
}

// It is asked at every turn of an actor.
func TestTheFirstOfSomeTimesTakesNoMemory(t *testing.T) {
	a, b, c := time.Unix(3, 0), time.Unix(1, 0), time.Unix(2, 0)
	var first time.Time
	require.Zero(t, testing.AllocsPerRun(100, func() { first = First(a, b, c) }))
	require.Equal(t, b, first)
}
