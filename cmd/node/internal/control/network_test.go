package control

import (
	"context"
	"crypto/rand"
	"net"
	"testing"

	"github.com/ipfs/go-datastore"
	dssync "github.com/ipfs/go-datastore/sync"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/blockstore"
	"github.com/souk-p2p/souk/cmd/node/internal/node"
	"github.com/souk-p2p/souk/test/eventually"
)

func startOnline(t *testing.T) *node.Online {
	t.Helper()
	key, _, err := crypto.GenerateEd25519Key(rand.Reader)
	require.NoError(t, err)
	n, err := node.Start(t.Context(), key, blockstore.New(dssync.MutexWrap(datastore.NewMapDatastore())), node.Config{
		Listen: []ma.Multiaddr{ma.StringCast("/ip4/127.0.0.1/tcp/0")},
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, n.Close()) })
	return n
}

// The wants of a command that was killed are withdrawn from the peers that the
// node asked for it.
func TestTheWantsOfAKilledCommandAreWithdrawn(t *testing.T) {
	n, other := startOnline(t), startOnline(t)
	_, err := n.Connect(t.Context(), []peer.AddrInfo{{ID: other.Host.ID(), Addrs: other.Host.Addrs()}})
	require.NoError(t, err)
	_, dial := serve(t, n)
	var conns []net.Conn
	c, err := Dial(t.Context(), func(ctx context.Context) (net.Conn, error) {
		conn, err := dial(ctx)
		conns = append(conns, conn)
		return conn, err
	})
	require.NoError(t, err)
	defer c.Close()
	f := fetch(t, c)
	defer f.Close()
	in, err := f.GetBlocks(t.Context(), cidsOf(someBlocks(20, 8)))
	require.NoError(t, err)

	wanted := func(count int) func() bool {
		return func() bool {
			list, err := other.Exchange.WantlistOf(t.Context(), n.Host.ID())
			return err == nil && len(list) == count
		}
	}
	eventually.True(t, wanted(20))
	for _, conn := range conns {
		conn.Close()
	}
	eventually.True(t, wanted(0))
	require.Empty(t, <-in)
}
