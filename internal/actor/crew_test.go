package actor

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// errands are calls by name. A name that holds hangs until let go, one that takes
// waits for as long.
type errands struct {
	crew  *Crew
	hangs map[string]chan struct{}
	takes map[string]time.Duration
}

func newErrands(t *testing.T) *errands {
	e := &errands{crew: NewCrew("test", nil), hangs: make(map[string]chan struct{}), takes: make(map[string]time.Duration)}
	t.Cleanup(func() { _ = e.crew.Wait(t.Context()) })
	return e
}

func (e *errands) hang(name string) (let func()) {
	e.hangs[name] = make(chan struct{})
	return func() { close(e.hangs[name]) }
}

// run makes the calls and returns what was taken.
func (e *errands) run(names ...string) (taken []string) {
	Run(e.crew, Calls[string]{
		N: len(names), Patience: time.Second, MostStuck: 2,
		Key: func(i int) string { return names[i] },
		Call: func(i int, _ string) (string, error) {
			if names[i] == "broken" {
				panic("broken")
			}
			time.Sleep(e.takes[names[i]])
			if free := e.hangs[names[i]]; free != nil {
				<-free
			}
			return names[i], nil
		},
		Take: func(i int, result string, err error) {
			if err != nil {
				result = fmt.Sprintf("%s: %v", names[i], errors.Is(err, ErrStuck))
			}
			taken = append(taken, result)
		},
	})
	return taken
}

func TestACallThatHangsIsGivenUpAndTheOthersAreMade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newErrands(t)
		let := e.hang("b")
		began := time.Now()
		require.Equal(t, []string{"a", "b: true", "c"}, e.run("a", "b", "c"))
		require.LessOrEqual(t, time.Since(began), 2*time.Second)

		began = time.Now()
		require.Equal(t, []string{"b: true", "d"}, e.run("b", "d"), "it is not called twice")
		require.Zero(t, time.Since(began))
		let()
		synctest.Wait()
		require.Equal(t, []string{"b"}, e.run("b"), "it has returned since")
		require.NoError(t, e.crew.Wait(t.Context()))
	})
}

func TestWhileTooManyCallsHangNoOtherIsMade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newErrands(t)
		letA, letB := e.hang("a"), e.hang("b")
		require.Equal(t, []string{"a: true", "b: true", "c: true"}, e.run("a", "b", "c"))
		letA()
		synctest.Wait()
		require.Equal(t, []string{"a", "c"}, e.run("a", "c"))
		letB()
		require.NoError(t, e.crew.Wait(t.Context()))
	})
}

func TestSlowCallsAreNotGivenUpWhileOneAfterAnotherReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newErrands(t)
		e.takes["a"] = 900 * time.Millisecond
		require.Equal(t, []string{"a", "a", "a", "a"}, e.run("a", "a", "a", "a"))
	})
}

func TestACallThatPanicsHasFailed(t *testing.T) {
	e := newErrands(t)
	require.Equal(t, []string{"a", "broken: false", "b"}, e.run("a", "broken", "b"))
}

// Nobody would take the other results.
func TestATakeThatPanicsBreaksTheRun(t *testing.T) {
	crew := newErrands(t).crew
	require.Panics(t, func() {
		Run(crew, Calls[int]{
			N: 2, Patience: time.Minute, MostStuck: 1,
			Key:  func(int) string { return "" },
			Call: func(int, int) (int, error) { return 0, nil },
			Take: func(int, int, error) { panic("out of range") },
		})
	})
}

func TestWaitGivesUpWhatDoesNotReturn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newErrands(t)
		require.NoError(t, e.crew.Wait(t.Context()), "nothing runs")
		let := e.hang("a")
		taken := make(chan []string, 1)
		go func() { taken <- e.run("a", "b", "c") }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		require.ErrorIs(t, e.crew.Wait(ctx), context.DeadlineExceeded)
		require.Equal(t, []string{"a: true", "b: true", "c: true"}, <-taken, "also what was not begun")
		let()
		require.NoError(t, e.crew.Wait(t.Context()))
	})
}

func TestWaitWaitsForWhatRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewCrew("test", nil)
		for n := range 3 {
			c.Go(func() { time.Sleep(time.Duration(n) * time.Second) })
		}
		began := time.Now()
		require.NoError(t, c.Wait(t.Context()))
		require.Equal(t, 2*time.Second, time.Since(began))
	})
}

func TestACrewTakesAGoroutineAgainAndLetsItGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewCrew("test", nil)
		running := func() int {
			synctest.Wait()
			c.mu.Lock()
			defer c.mu.Unlock()
			return c.running
		}
		done := 0
		for range 100 {
			c.Go(func() { done++ })
			require.Equal(t, 1, running(), "one after the other needs one")
		}
		hold := make(chan struct{})
		for range 3 * mostWaiting {
			c.Go(func() { <-hold })
		}
		require.Equal(t, 3*mostWaiting, running())
		close(hold)
		require.Equal(t, mostWaiting, running(), "more than those do not wait")
		for range mostWaiting {
			c.Go(func() { panic("broken") })
		}
		require.Equal(t, mostWaiting, running(), "what breaks does not take its goroutine with it")
		time.Sleep(workWait)
		require.Zero(t, running(), "nobody waits for long")

		c.Go(func() { done++ })
		require.Equal(t, 1, running())
		require.NoError(t, c.Wait(t.Context()), "the end does not wait until a goroutine has waited")
		require.Zero(t, running())
		require.Equal(t, 101, done)
	})
}

// Go must never wait for those who wait for work, whatever they are doing.
func TestACrewLosesNoWorkWhileItsGoroutinesComeAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewCrew("test", nil)
		var done atomic.Int64
		const givers, each = 8, 500
		for g := range givers {
			go func() {
				for i := range each {
					c.Go(func() { done.Add(1) })
					if (i+g)%7 == 0 {
						time.Sleep(workWait) // Just when those who wait want to go.
					}
				}
			}()
		}
		time.Sleep(each * workWait)
		require.EqualValues(t, givers*each, done.Load())
		require.NoError(t, c.Wait(t.Context()))
	})
}
