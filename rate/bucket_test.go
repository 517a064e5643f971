package rate

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// Whatever is taken when, and however the rate changes: over any time no more passes
// than rate x time and one burst, or one item if that is larger.
func TestNoMorePassesThanTheRateAllows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := Rate(rapid.Int64Range(1<<10, 1<<30).Draw(t, "rate"))
		largest := rapid.IntRange(1, 2<<20).Draw(t, "largest")
		now := time.Unix(1, 0)
		var b Bucket
		b.Set(now, r)
		var passed []struct {
			at time.Time
			n  int
		}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			n := rapid.IntRange(0, largest).Draw(t, "bytes")
			if when := b.When(now, n); !when.IsZero() {
				require.True(t, when.After(now))
				require.False(t, b.Ready(now, n))
				now = when
			}
			require.True(t, b.Ready(now, n), "at the time that was said")
			b.Take(n)
			passed = append(passed, struct {
				at time.Time
				n  int
			}{now, n})
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(time.Second)).Draw(t, "pause")))
		}
		once := max(float64(r)*burst.Seconds(), float64(largest))
		for i := range passed {
			sum := 0.0
			for _, p := range passed[i:] {
				sum += float64(p.n)
				require.LessOrEqual(t, sum, float64(r)*p.at.Sub(passed[i].at).Seconds()+once+1)
			}
		}
	})
}

// Who always takes what there is gets the rate.
func TestWhatIsTakenAtOnceComesToTheRate(t *testing.T) {
	for _, r := range []Rate{64 << 10, 10 * MB, GB} {
		for _, n := range []int{1 << 10, 256 << 10, 1 << 20} {
			var b Bucket
			begun := time.Unix(1, 0)
			now, passed := begun, 0
			b.Set(now, r)
			for now.Sub(begun) < 20*time.Second && passed < 1<<30 {
				if when := b.When(now, n); !when.IsZero() {
					now = when
				}
				b.Take(n)
				passed += n
			}
			ideal := float64(r) * now.Sub(begun).Seconds()
			once := max(float64(r)*burst.Seconds(), float64(n))
			require.InDelta(t, ideal, float64(passed), once+1, "%s in pieces of %d", r, n)
		}
	}
}

func TestABucketWithoutALimitLetsAllPass(t *testing.T) {
	var b Bucket
	b.Take(1 << 40)
	require.True(t, b.Ready(time.Unix(1, 0), 1<<40))
	require.False(t, b.Limited())
}

func TestWhatHasPassedCountsWhenTheRateChanges(t *testing.T) {
	now := time.Unix(1, 0)
	var b Bucket
	b.Set(now, 1000)
	b.Take(1050) // a second more than the burst of 50
	b.Set(now, 2000)
	require.Equal(t, now.Add(550*time.Millisecond+1), b.When(now, 1000), "1,000 to make up for and a burst of 100, at 2,000 a second")
	b.Set(now, Unlimited)
	require.True(t, b.Ready(now, 1<<30))
}

func TestWhatIsGivenBackMayPass(t *testing.T) {
	now := time.Unix(1, 0)
	var b Bucket
	b.Set(now, 1000)
	b.Take(50)
	require.Zero(t, b.Room(now))
	b.GiveBack(20)
	require.Equal(t, 20, b.Room(now))
	b.GiveBack(1000)
	require.Equal(t, 50, b.Room(now), "no more than a burst")
}

func TestABucketOfRequestsLetsABurstPassAndThenTheRate(t *testing.T) {
	now := time.Unix(1000, 0)
	b := NewBucket(now, 4, 2)
	for range 2 {
		require.True(t, b.Ready(now, 1))
		b.Take(1)
	}
	require.False(t, b.Ready(now, 1))
	require.WithinDuration(t, now.Add(time.Second/4), b.When(now, 1), time.Millisecond)
	require.Equal(t, 2, b.Room(now.Add(time.Hour)), "no more than a burst after any pause")
}

func TestABucketWithoutARateHoldsNothingUp(t *testing.T) {
	b := NewBucket(time.Unix(1000, 0), 0, 1)
	b.Take(1000)
	require.True(t, b.Ready(time.Unix(1000, 0), 1))
	require.False(t, b.Limited())
}
