package tracker

import (
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"
)

// What identities of Ed25519 keys begin with is not kept. One that is as long as
// what is left of them, and the same, is another peer all the same.
func TestIdentitiesAreToldApartHoweverTheyAreKept(t *testing.T) {
	r := newRig(t, Limits{})
	usual := who(7)
	ids := []peer.ID{usual, usual[len(alike):], usual[:20], usual + "0"}
	for i, id := range ids {
		a := r.row(i, "ns")
		a.Peer = id
		r.announced(a)
	}
	var found []peer.ID
	for _, c := range r.ask("ns", 8, 1).Rows {
		found = append(found, c.Peer)
	}
	require.ElementsMatch(t, ids, found)
	require.Equal(t, len(ids), r.table.Stat().Announcers)
}
