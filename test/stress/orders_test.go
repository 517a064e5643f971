package stress

import (
	"iter"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/test/internal/tally"
)

// step is something that an actor is told, or that happens to a peer. It comes
// after those that it names, because whoever tells them keeps that order.
type step[R any] struct {
	name  string
	after []string
	do    func(r R)
}

// orders yields every order in which events can come.
func orders[R any](steps []step[R]) iter.Seq[[]step[R]] {
	return func(yield func([]step[R]) bool) { extend(nil, steps, yield) }
}

func extend[R any](begun, left []step[R], yield func([]step[R]) bool) bool {
	if len(left) == 0 {
		return yield(slices.Clone(begun))
	}
	for i, e := range left {
		if slices.ContainsFunc(left, func(other step[R]) bool { return slices.Contains(e.after, other.name) }) {
			continue
		}
		rest := append(slices.Clone(left[:i]), left[i+1:]...)
		if !extend(append(slices.Clone(begun), e), rest, yield) {
			return false
		}
	}
	return true
}

func TestOrdersAreAllThatKeepWhatComesAfterWhat(t *testing.T) {
	var all []string
	for order := range orders([]step[int]{{name: "a"}, {name: "b", after: []string{"a"}}, {name: "c"}}) {
		all = append(all, names(order))
	}
	require.Equal(t, []string{"a, b, c", "a, c, b", "c, a, b"}, all)
}

func names[R any](order []step[R]) string {
	list := make([]string, len(order))
	for i, e := range order {
		list[i] = e.name
	}
	return strings.Join(list, ", ")
}

// rig is an actor and what is around it.
type rig interface {
	check(t *testing.T) // the facts are the same in the end, in whatever order they were told
	end(t *testing.T)
}

// inEveryOrder tells the events to a new rig in each order, one after the other.
func inEveryOrder[R rig](t *testing.T, begin func(t *testing.T) R, steps []step[R]) {
	t.Helper()
	tried := 0
	for order := range orders(steps) {
		inOrder(t, begin, order)
		tried++
	}
	tally.Add(t, tally.Permutations, tried)
}

func inOrder[R rig](t *testing.T, begin func(t *testing.T) R, order []step[R]) {
	t.Helper()
	defer func() {
		if t.Failed() {
			t.Fatalf("in the order: %s", names(order))
		}
	}()
	synctest.Test(t, func(t *testing.T) {
		r := begin(t)
		defer r.end(t)
		for _, e := range order {
			e.do(r)
			synctest.Wait()
		}
		r.check(t)
	})
}
