package document

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/ipfs/go-datastore"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/download/policy"
)

// inTime plays a test with a document of a store, in virtual time: what waits for ever fails.
func inTime(t *testing.T, test func(t *testing.T, r *rig)) {
	synctest.Test(t, func(t *testing.T) { test(t, newRig(t)) })
}

// generation is that of the rig's document.
func (r *rig) generation() string {
	one, err := r.record(r.t.Context(), r.id)
	require.NoError(r.t, err)
	return one.Generation
}

// later has something done meanwhile, and returns when it waits for something. The function
// that it returns waits for its end.
func (r *rig) later(do func() error) (ended func() error) {
	result := make(chan error, 1)
	go func() { result <- do() }()
	synctest.Wait()
	return func() error { return <-result }
}

// act is something that is done, and where it reaches the disk.
type act struct {
	name, op string
	key      func(r *rig) datastore.Key
	do       func(r *rig) error
	finishes bool // although the store is closed meanwhile
}

func (r *rig) missing() error {
	_, err := lacks(Missing(r.t.Context(), open(r.t, r.Store, r.id), policy.Everything(), nil, r.look))
	return err
}

var (
	setPolicy   = func(r *rig) error { return r.SetPolicy(r.t.Context(), r.id, policy.Nothing()) }
	remove      = func(r *rig) error { _, err := r.Remove(r.t.Context(), r.id); return err }
	deleteBlock = func(r *rig) error {
		over, err := r.Deleting(r.t.Context())
		if err == nil {
			over()
		}
		return err
	}
	makeOther = func(r *rig) error {
		_, err := r.Create(r.t.Context(), Draft{Name: "made", Root: cidOf("made")}, these(entriesOf("a")...))
		return err
	}
	ofRig = func(prefix datastore.Key) func(*rig) datastore.Key {
		return func(r *rig) datastore.Key { return prefix.ChildString(r.id.String()) }
	}
	pagesOfRig = func(prefix datastore.Key) func(*rig) datastore.Key {
		return func(r *rig) datastore.Key { return prefix.ChildString(r.generation()) }
	}
	anywhere = func(prefix datastore.Key) func(*rig) datastore.Key {
		return func(*rig) datastore.Key { return prefix }
	}
)

var acts = []act{
	{"record of a change", "get", ofRig(listPrefix), setPolicy, true},
	{"policy", "put", ofRig(policyPrefix), setPolicy, true},
	{"sync of a change", "sync", anywhere(base), setPolicy, true},
	{"removal", "delete", ofRig(listPrefix), remove, true},
	{"pages of a removal", "delete", pagesOfRig(pagesPrefix), remove, true},
	{"begin of an import", "put", anywhere(pendPrefix), makeOther, false},
	{"pages of an import", "put", anywhere(pagesPrefix), makeOther, false},
	{"record of an import", "put", anywhere(listPrefix), makeOther, true},
	{"sync of an import", "sync", anywhere(base), makeOther, true},
	{"look at marks", "get", pagesOfRig(marksPrefix), (*rig).missing, false},
	{"marks", "put", pagesOfRig(marksPrefix), (*rig).missing, true},
}

func TestADiskThatHangsWithOneDocumentHoldsUpNoOther(t *testing.T) {
	for _, a := range acts {
		t.Run(a.name, func(t *testing.T) {
			inTime(t, func(t *testing.T, r *rig) {
				begun := time.Now()
				letGo := r.d.hang(a.op, a.key(r))
				ended := r.later(func() error { return a.do(r) })
				for _, i := range r.Imports() {
					require.Equal(t, "made", i.Name)
				}
				changed := r.Watch(t.Context())
				other := create(t, r.Store, "other", entriesOf("a", "b")...)
				<-changed
				require.NoError(t, r.SetPolicy(t.Context(), other.ID, policy.Nothing()))
				<-changed
				got, err := lacks(Missing(t.Context(), open(t, r.Store, other.ID), policy.Everything(), nil, here{cidOf("a"): {Blocks: 1}}.look))
				require.NoError(t, err)
				require.Equal(t, []string{"b: absent"}, got)
				gone, err := open(t, r.Store, other.ID).Watch(t.Context())
				require.NoError(t, err)
				_, err = r.Remove(t.Context(), other.ID)
				require.NoError(t, err)
				<-gone
				require.NoError(t, r.Tidy(t.Context()))
				require.Zero(t, time.Since(begun), "nothing waits")

				letGo()
				require.NoError(t, ended())
			})
		})
	}
}

// Those who have given up are passed over, and hold up nobody.
func TestTurnsAreTakenInTheOrderInWhichTheyAreAskedFor(t *testing.T) {
	inTime(t, func(t *testing.T, r *rig) {
		letGo := r.d.hang("put", policyPrefix)
		var mu sync.Mutex
		var order []int
		var all []func() error
		contexts := make([]context.CancelFunc, 6)
		for i := range contexts {
			var ctx context.Context
			ctx, contexts[i] = context.WithCancel(t.Context())
			defer contexts[i]()
			all = append(all, r.later(func() error {
				return r.inTurn(ctx, turnWith{document: r.id}, func(*turn) error {
					mu.Lock()
					order = append(order, i)
					mu.Unlock()
					if i == 0 {
						return r.putPolicy(ctx, r.id, policy.Nothing())
					}
					return nil
				})
			}))
		}
		contexts[2]()
		require.ErrorIs(t, all[2](), context.Canceled, "who gives up does not wait for the turn")
		letGo()
		for _, i := range []int{0, 1, 3, 4, 5} {
			require.NoError(t, all[i]())
		}
		require.Equal(t, []int{0, 1, 3, 4, 5}, order)
	})
}

func TestWhoPanicsGivesBackWhatItHas(t *testing.T) {
	broken := func() error { panic("broken") }
	for _, a := range append([]act{
		{"epoch", "get", anywhere(epochKey), (*rig).missing, false},
		{"next epoch", "put", anywhere(epochKey), deleteBlock, false},
	}, acts...) {
		t.Run(a.name, func(t *testing.T) {
			inTime(t, func(t *testing.T, r *rig) {
				r.restart() // so that the epoch is not known
				r.d.once(a.op, a.key(r), broken)
				require.PanicsWithValue(t, "broken", func() { _ = a.do(r) })
				require.Empty(t, r.Imports())
				r.deletes(nothing)
				require.NoError(t, r.Keep(t.Context(), func(cid.Cid) bool { return true }))
				if err := a.do(r); err != nil {
					require.ErrorAs(t, err, new(*NotFoundError))
					require.Equal(t, "pages of a removal", a.name, "of what is left no record is")
				}
			})
		})
	}
	t.Run("entries", func(t *testing.T) {
		r := newRig(t)
		require.Panics(t, func() {
			_, _ = r.Create(t.Context(), Draft{Name: "made", Root: cidOf("made")}, func(func(Entry, error) bool) { panic("broken") })
		})
		require.NoError(t, makeOther(r))
	})
}

// Who watches is told of what may have been done, too: it looks again.
func TestWhoWatchesHearsOfAChangeThatHasFailed(t *testing.T) {
	inTime(t, func(t *testing.T, r *rig) {
		changed := r.Watch(t.Context())
		gone, err := open(t, r.Store, r.id).Watch(t.Context())
		require.NoError(t, err)
		failing := func() error { return errPower }
		r.d.once("sync", base, failing)
		require.ErrorIs(t, setPolicy(r), errPower)
		<-changed
		require.ErrorAs(t, r.SetPolicy(t.Context(), none, policy.Nothing()), new(*NotFoundError))
		require.Empty(t, changed, "nothing was done")
		r.d.once("sync", base, failing)
		require.ErrorIs(t, remove(r), errPower)
		<-changed
		_, open := <-gone
		require.False(t, open)
	})
}

// Whatever fails once, the document is there whole or not at all, and can be made again.
func TestAnImportOfWhichOneStepFailsLeavesAllOrNothing(t *testing.T) {
	for n, more := 0, true; more; n++ {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			r := newRig(t)
			steps := 0
			r.d.before = func(op, _ string) error {
				if op == "get" {
					return nil
				}
				if steps++; steps == n+1 {
					return errPower
				}
				return nil
			}
			err := makeOther(r)
			more = steps > n
			r.d.before = nil
			doc, lost := r.Document(t.Context(), IDOf(cidOf("made"), "made"))
			if lost == nil {
				require.NoError(t, err)
				got, scanned := keys(doc.Scan(t.Context(), nil, nil))
				require.NoError(t, scanned)
				require.Equal(t, []string{"a"}, got)
				return
			}
			require.ErrorAs(t, lost, new(*NotFoundError))
			require.ErrorIs(t, err, errPower)
			require.NoError(t, makeOther(r))
		})
	}
}
