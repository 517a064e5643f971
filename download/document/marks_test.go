package document

import (
	"context"
	"strings"
	"testing"

	"github.com/ipfs/go-cid"
	"github.com/ipfs/go-datastore"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/download/policy"
)

// rig is a document of three entries, two of which are complete, and a look that counts.
type rig struct {
	*Store
	t      *testing.T
	d      *disk
	id     ID
	looks  int
	during func() // a look
}

func newRig(t *testing.T) *rig {
	r := &rig{t: t, d: newDisk()}
	r.Store = newStore(r.t, r.d)
	r.id = create(t, r.Store, "some", entriesOf("a", "b", "part")...).ID
	return r
}

func (r *rig) look(_ context.Context, root cid.Cid) (Presence, error) {
	r.looks++
	if r.during != nil {
		r.during()
	}
	if root == cidOf("part") {
		return Presence{Blocks: 2, Bytes: 20, Absent: 1}, nil
	}
	return Presence{Blocks: 3, Bytes: 30}, nil
}

// looked asks what is missing, and returns how many DAGs were looked at for that.
func (r *rig) looked() int {
	r.t.Helper()
	before := r.looks
	got, err := lacks(Missing(r.t.Context(), open(r.t, r.Store, r.id), policy.Everything(), nil, r.look))
	require.NoError(r.t, err)
	require.Equal(r.t, []string{"part: 2 blocks of 20 bytes"}, got)
	return r.looks - before
}

func (r *rig) restart() { r.Store = newStore(r.t, r.d) }

// deletes is one who deletes a block, or has it deleted while something is done.
func (r *rig) deletes(meanwhile func()) {
	over, err := r.Deleting(r.t.Context())
	require.NoError(r.t, err)
	meanwhile()
	over()
}

func nothing() {}

func TestACompleteDAGIsLookedAtOnce(t *testing.T) {
	r := newRig(t)
	require.Equal(t, 3, r.looked())
	require.Equal(t, 1, r.looked(), "what is not complete is looked at again")
	r.restart()
	require.Equal(t, 1, r.looked())
	_, err := r.Remove(t.Context(), r.id)
	require.NoError(t, err)
	require.Empty(t, r.d.rows(t), "marks go with their document")
}

func TestMarksFallBeforeABlockIsDeleted(t *testing.T) {
	r := newRig(t)
	r.looked()
	r.deletes(func() {
		require.Equal(t, 3, r.looked())
		require.Equal(t, 3, r.looked(), "none is set while something is being deleted")
		r.restart() // the process was killed here
	})
	require.Equal(t, 3, r.looked())
	require.Equal(t, 1, r.looked())
}

func TestWhatWasLookedAtWhileABlockWasDeletedIsNotMarked(t *testing.T) {
	for name, deletion := range map[string]func(*rig){
		"block": func(r *rig) { r.deletes(nothing) },
		"sweep": func(r *rig) { require.NoError(r.t, r.Keep(r.t.Context(), func(cid.Cid) bool { return false })) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.during = func() {
				r.during = nil // the first look is under way
				deletion(r)
			}
			require.Equal(t, 3, r.looked())
			require.Equal(t, 3, r.looked())
			require.Equal(t, 1, r.looked())
		})
	}
}

func TestNothingIsDeletedWhenMarksCannotFall(t *testing.T) {
	r := newRig(t)
	r.looked()
	r.d.left.Store(0)
	_, err := r.Deleting(t.Context())
	require.ErrorIs(t, err, errPower)
	require.ErrorIs(t, r.Keep(t.Context(), func(cid.Cid) bool { return false }), errPower)
	r.d.left.Store(1 << 40)
	require.Equal(t, 1, r.looked(), "no deletion is under way")
}

func TestDeletingManyBlocksWritesOnce(t *testing.T) {
	r := newRig(t)
	r.looked()
	r.d.left.Store(1)
	for range 100 {
		r.deletes(nothing)
	}
}

func TestASweepMakesTheMarksFallOfWhatItDoesNotKeep(t *testing.T) {
	r := newRig(t)
	r.looked()
	require.NoError(t, r.Keep(t.Context(), func(root cid.Cid) bool { return root != cidOf("a") }))
	require.Equal(t, 2, r.looked())
	require.NoError(t, r.Keep(t.Context(), func(root cid.Cid) bool { return true }))
	require.Equal(t, 1, r.looked())
	r.deletes(nothing)
	require.NoError(t, r.Keep(t.Context(), func(root cid.Cid) bool { return true }))
	require.Equal(t, 3, r.looked(), "what has fallen is not kept")
}

// A deletion makes marks fall that a sweep is just looking at.
func TestADeletionWhileASweepDecidesCounts(t *testing.T) {
	r := newRig(t)
	r.looked()
	require.NoError(t, r.Keep(t.Context(), func(root cid.Cid) bool {
		if root == cidOf("a") {
			r.deletes(nothing)
		}
		return root != cidOf("a")
	}))
	require.Equal(t, 3, r.looked())
}

// Who watches deletions hears of each that has ended, and of nothing else.
func TestWhoWatchesDeletionsIsToldWhenTheyHaveEnded(t *testing.T) {
	r := newRig(t)
	ctx, cancel := context.WithCancel(t.Context())
	deleted, changed := r.WatchDeletions(ctx), r.Watch(ctx)
	r.deletes(func() { require.Empty(t, deleted, "it has not ended") })
	r.deletes(nothing)
	require.Len(t, deleted, 1, "there is one note of both")
	<-deleted
	require.NoError(t, r.Keep(t.Context(), func(cid.Cid) bool { return true }))
	require.Len(t, deleted, 1)
	<-deleted
	require.NoError(t, r.d.Put(t.Context(), epochKey, []byte{0x80}))
	r.restart()
	deleted = r.WatchDeletions(ctx)
	_, err := r.Deleting(t.Context())
	require.Error(t, err)
	require.Empty(t, deleted, "nothing was deleted")
	require.Empty(t, changed)
	cancel()
	_, open := <-deleted
	require.False(t, open)
}

func TestADamagedMarkIsNone(t *testing.T) {
	r := newRig(t)
	r.looked()
	for _, key := range r.d.rows(t) {
		if strings.HasPrefix(key, marksPrefix.String()) {
			require.NoError(t, r.d.Put(t.Context(), datastore.RawKey(key), nil))
		}
	}
	require.Equal(t, 3, r.looked())
	require.NoError(t, r.d.Put(t.Context(), epochKey, []byte{0x80}))
	r.restart()
	_, err := r.Deleting(t.Context())
	require.ErrorAs(t, err, new(*DamagedError))
}

func TestMarksAreOfTheEntriesThatAPolicyCovers(t *testing.T) {
	r := newRig(t)
	only, err := policy.Parse("nothing-except", "exact:utf8:b")
	require.NoError(t, err)
	got, err := lacks(Missing(t.Context(), open(t, r.Store, r.id), only, nil, r.look))
	require.NoError(t, err)
	require.Empty(t, got)
	require.Equal(t, 1, r.looks)
	require.Equal(t, 2, r.looked(), "of b there is a mark")
}
