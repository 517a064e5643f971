package document

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/download/policy"
)

// calls are all that can be asked of a store and a document.
func (r *rig) calls(doc Document) map[string]func() error {
	ctx := r.t.Context()
	return map[string]func() error{
		"Create": func() error { return makeOther(r) }, "Remove": func() error { return remove(r) },
		"SetPolicy":      func() error { return setPolicy(r) },
		"SetSyncing":     func() error { return r.SetSyncing(ctx, r.id, true) },
		"Deleting":       func() error { return deleteBlock(r) },
		"Keep":           func() error { return r.Keep(ctx, func(cid.Cid) bool { return true }) },
		"Tidy":           func() error { return r.Tidy(ctx) },
		"Policy":         func() error { _, err := r.Policy(ctx, r.id); return err },
		"Find":           func() error { _, err := r.Find(ctx, "some"); return err },
		"Document":       func() error { _, err := r.Document(ctx, r.id); return err },
		"Scan":           func() error { _, err := keys(doc.Scan(ctx, nil, nil)); return err },
		"Missing":        func() error { _, err := lacks(Missing(ctx, doc, policy.Everything(), nil, r.look)); return err },
		"Document.Watch": func() error { _, err := doc.Watch(ctx); return err },
	}
}

func TestAStoreThatIsClosedRefusesEverything(t *testing.T) {
	inTime(t, func(t *testing.T, r *rig) {
		doc := open(t, r.Store, r.id)
		changed := r.Watch(t.Context())
		gone, err := doc.Watch(t.Context())
		require.NoError(t, err)
		for range 2 { // It may be closed again.
			require.NoError(t, r.Close(t.Context()))
		}
		for name, call := range r.calls(doc) {
			require.ErrorIs(t, call(), ErrClosed, name)
		}
		require.Empty(t, r.Imports())
		for _, watched := range []<-chan struct{}{changed, r.Watch(t.Context())} {
			_, open := <-watched
			require.False(t, open)
		}
		_, open := <-gone
		require.False(t, open)
	})
}

func TestCloseWaitsForWhoIsWritingAndNobodyWaitsForThat(t *testing.T) {
	for _, a := range acts {
		t.Run(a.name, func(t *testing.T) {
			inTime(t, func(t *testing.T, r *rig) {
				letGo := r.d.hang(a.op, a.key(r))
				ended := r.later(func() error { return a.do(r) })
				others := []func() error{
					r.later(func() error { return setPolicy(r) }),
					r.later(func() error { return deleteBlock(r) }),
				}
				closes := []func() error{
					r.later(func() error { return r.Close(t.Context()) }),
					r.later(func() error { return r.Close(t.Context()) }),
				}
				for _, other := range others {
					if err := other(); err != nil { // It had to wait.
						require.ErrorIs(t, err, ErrClosed)
					}
				}
				require.ErrorIs(t, deleteBlock(r), ErrClosed)
				letGo()
				if err := ended(); a.finishes {
					require.NoError(t, err)
				} else {
					require.ErrorIs(t, err, ErrClosed)
				}
				for _, closed := range closes {
					require.NoError(t, closed())
				}
				r.requireWhole()
			})
		})
	}
}

// requireWhole fails unless what another process finds can be used.
func (r *rig) requireWhole() {
	r.t.Helper()
	r.restart()
	for one, err := range r.List(r.t.Context()) {
		require.NoError(r.t, err)
		got, err := keys(open(r.t, r.Store, one.ID).Scan(r.t.Context(), nil, nil))
		require.NoError(r.t, err)
		require.Len(r.t, got, int(one.Entries))
		_, err = r.Remove(r.t.Context(), one.ID)
		require.NoError(r.t, err)
	}
	require.NoError(r.t, r.Tidy(r.t.Context()))
	for _, key := range r.d.rows(r.t) {
		require.Equal(r.t, epochKey.String(), key, "nothing is left")
	}
}

// Whoever closes it has to know that the disk is still in use.
func TestCloseOfAStoreWhoseDiskHangsEndsWithItsContext(t *testing.T) {
	for _, a := range acts {
		t.Run(a.name, func(t *testing.T) {
			inTime(t, func(t *testing.T, r *rig) {
				letGo := r.d.hang(a.op, a.key(r))
				ended := r.later(func() error { return a.do(r) })
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				if err := r.Close(ctx); a.name == "look at marks" {
					require.NoError(t, err, "who reads is not waited for")
				} else {
					require.ErrorIs(t, err, context.DeadlineExceeded)
					require.ErrorContains(t, err, "somebody is still writing")
				}
				require.ErrorIs(t, setPolicy(r), ErrClosed)
				letGo()
				if err := ended(); err != nil {
					require.ErrorIs(t, err, ErrClosed)
				}
				r.requireWhole()
			})
		})
	}
}

func TestCloseEndsAnImport(t *testing.T) {
	inTime(t, func(t *testing.T, r *rig) {
		r.sortBytes = 1000
		before := r.d.rows(t)
		ended := r.later(func() error {
			_, err := r.Create(t.Context(), Draft{Name: "made", Root: cidOf("made")}, func(yield func(Entry, error) bool) {
				for i := 0; yield(entry(fmt.Sprint(i)), nil); i++ {
					time.Sleep(time.Millisecond)
				}
			})
			return err
		})
		time.Sleep(time.Second)
		require.InDelta(t, 1000, r.Imports()[0].Entries, 2)
		begun := time.Now()
		require.NoError(t, r.Close(t.Context()))
		require.LessOrEqual(t, time.Since(begun), 2*time.Millisecond)
		require.ErrorIs(t, ended(), ErrClosed)
		require.ElementsMatch(t, before, r.d.rows(t), "nothing is left")
	})
}
