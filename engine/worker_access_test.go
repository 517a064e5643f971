package engine

import (
	"context"
	"testing"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"
)

// register is a store that notes what it is asked for.
type register struct {
	*shelf
	asked []cid.Cid
	err   error // of every look-up, if not nil
}

func (r *register) GetSize(ctx context.Context, c cid.Cid) (int, error) {
	r.asked = append(r.asked, c)
	if r.err != nil {
		return 0, r.err
	}
	return r.shelf.GetSize(ctx, c)
}

// How long a refusal takes does not tell whether the block is there: the store looks for
// something that it does not have, as it does for what is not there.
func TestARefusalCostsALookUpOfWhatIsNotThere(t *testing.T) {
	store := &register{shelf: newShelf()}
	w := worker{store: store, access: func(peer.ID, cid.Cid) bool { return false }}
	b := letter("A")
	store.put(b)
	_, err := w.size(t.Context(), alice, b.Cid(), false)
	require.ErrorIs(t, err, errDenied)
	require.Len(t, store.asked, 1)
	require.NotEqual(t, b.Cid(), store.asked[0])
	_, err = w.size(t.Context(), alice, b.Cid(), false)
	require.ErrorIs(t, err, errDenied)
	require.Equal(t, store.asked[0], store.asked[1], "as often as it is asked for, it is the same")
}

// A store that fails does not say that something is not there, and so neither is a
// refusal answered.
func TestARefusalIsNotAnsweredWhereAnAbsenceIsNot(t *testing.T) {
	for name, access := range map[string]func(peer.ID, cid.Cid) bool{
		"refused": func(peer.ID, cid.Cid) bool { return false },
		"allowed": func(peer.ID, cid.Cid) bool { return true },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, Limits{})
			store := &register{shelf: r.shelf, err: errDisk}
			r.worker.store = store
			r.guard(access)
			r.want(alice, orDontHave(wantBlock(letter("A"))))
			r.run()
			require.Empty(t, r.heard(alice))
			store.err = nil
			r.advance(2 * retryFirst)
			require.Equal(t, []string{"dont-have A"}, r.heard(alice))
		})
	}
}
