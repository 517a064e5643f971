package eventually

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// failing is a test that may fail, and says so.
type failing struct {
	testing.TB
	failed bool
}

func (f *failing) Helper() {}

func (f *failing) Errorf(string, ...any) { f.failed = true }

func (f *failing) FailNow() { panic(f) }

func TestWhatComesTrueIsWaitedForNoLonger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began, at := time.Now(), Patience-longestPause
		True(t, func() bool { return time.Since(began) >= at })
		require.Less(t, time.Since(began), Patience)
	})
}

func TestWhatDoesNotComeTrueEndsTheTest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, began := &failing{TB: t}, time.Now()
		require.PanicsWithValue(t, f, func() { True(f, func() bool { return false }) })
		require.True(t, f.failed)
		require.WithinDuration(t, began.Add(Patience), time.Now(), longestPause)
	})
}

func TestAConditionThatFailsEndsTheTestAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, began := &failing{TB: t}, time.Now()
		require.PanicsWithValue(t, f, func() {
			True(f, func() bool { require.Fail(f, "it cannot come true any more"); return false })
		})
		require.Zero(t, time.Since(began))
	})
}
