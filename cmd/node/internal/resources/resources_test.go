package resources

import (
	"fmt"
	"testing"

	"github.com/libp2p/go-libp2p"
	corenet "github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	ma "github.com/multiformats/go-multiaddr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/souk-p2p/souk/network"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const tracking protocol.ID = "/souk/tracker/1.0.0"

func newManager(t *testing.T, b Budget) *Manager {
	t.Helper()
	b.Bitswap = network.Protocols("")
	b.Others = []Protocol{{ID: tracking, Streams: 20, PeerStreams: 4}}
	m, err := New(b)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	return m
}

func peerNumber(n int) peer.ID { return peer.ID(fmt.Sprintf("peer %d", n)) }

// use opens a stream as libp2p does for one that a peer opens.
func use(m *Manager, p peer.ID, id protocol.ID) error {
	s, err := m.OpenStream(p, corenet.DirInbound)
	if err != nil {
		return err
	}
	if err := s.SetProtocol(id); err != nil {
		s.Done()
		return err
	}
	return nil
}

// connect opens a connection as libp2p does for one that a peer opens.
func connect(m *Manager, p peer.ID, address string) error {
	c, err := m.OpenConnection(corenet.DirInbound, true, ma.StringCast("/ip4/"+address+"/tcp/4101"))
	if err != nil {
		return err
	}
	if err := c.SetPeer(p); err != nil {
		c.Done()
		return err
	}
	return nil
}

// refused are the counts that have moved.
func refusals(t *testing.T, m *Manager) map[string]float64 {
	t.Helper()
	r := prometheus.NewPedanticRegistry()
	require.NoError(t, r.Register(m))
	gathered, err := r.Gather()
	require.NoError(t, err)
	moved := make(map[string]float64)
	for _, f := range gathered {
		for _, one := range f.GetMetric() {
			if n := one.GetCounter().GetValue(); n > 0 {
				moved[one.GetLabel()[1].GetValue()+" of "+one.GetLabel()[0].GetValue()] = n
			}
		}
	}
	return moved
}

type counts = map[string]float64

func TestEveryConnectedPeerHasItsStreams(t *testing.T) {
	m := newManager(t, Budget{})
	for n := range DefaultHigh {
		for range connStreams {
			require.NoError(t, use(m, peerNumber(n), network.Protocols("")[0]))
		}
	}
	for n := range burstStreams {
		require.NoError(t, use(m, peerNumber(n/8), network.Protocols("")[0]))
	}
	require.Empty(t, refusals(t, m))
}

// Over TCP libp2p sets a window aside for each stream, so that memory bounds streams.
func TestThereIsMemoryForTheWindowsOfAllStreams(t *testing.T) {
	for _, high := range []int{LeastHigh, DefaultHigh, MostHigh} {
		m := newManager(t, Budget{High: high})
		all := 2*connStreams*high + burstStreams
		require.NoError(t, m.ViewSystem(func(s corenet.ResourceScope) error {
			span, err := s.BeginSpan()
			require.NoError(t, err)
			defer span.Done()
			return span.ReserveMemory(all*window, corenet.ReservationPriorityAlways)
		}))
	}
}

func TestAPeerHasTheStreamsOfTheBudgetAndNoMore(t *testing.T) {
	m := newManager(t, Budget{})
	for range network.MostInboundStreams {
		require.NoError(t, use(m, peerNumber(1), network.Protocols("")[0]))
	}
	require.ErrorIs(t, use(m, peerNumber(1), network.Protocols("")[0]), corenet.ErrResourceLimitExceeded)
	require.Equal(t, counts{"stream of protocol_and_peer": 1}, refusals(t, m))
	for range otherStreams {
		require.NoError(t, use(m, peerNumber(1), network.Protocols("")[1]))
	}
	require.Error(t, use(m, peerNumber(1), network.Protocols("")[1]), "versions of a protocol do not add up")
	require.Equal(t, counts{"stream of protocol_and_peer": 1, "stream of peer": 1}, refusals(t, m))
	require.NoError(t, use(m, peerNumber(2), network.Protocols("")[0]), "another peer has its own")
}

func TestATrackerServesTheStreamsOfItsBudgetAndNoMore(t *testing.T) {
	m := newManager(t, Budget{})
	for n := range 5 {
		for range 4 {
			require.NoError(t, use(m, peerNumber(n), tracking))
		}
	}
	require.Error(t, use(m, peerNumber(0), tracking))
	require.Error(t, use(m, peerNumber(5), tracking))
	require.Equal(t, counts{"stream of protocol": 2}, refusals(t, m))
}

func TestConnectionsBeyondTheBudgetAreRefused(t *testing.T) {
	m := newManager(t, Budget{High: 16})
	for n := range 24 {
		require.NoError(t, connect(m, peerNumber(n), fmt.Sprintf("203.0.%d.1", n)))
	}
	require.Error(t, connect(m, peerNumber(24), "203.0.113.1"))
	require.Equal(t, counts{"connection of node": 1}, refusals(t, m))
	out, err := m.OpenConnection(corenet.DirOutbound, true, ma.StringCast("/ip4/203.0.114.1/tcp/4101"))
	require.NoError(t, err, "whoever dials us leaves room for those that we dial")
	out.Done()
}

func TestAPeerHasFewConnections(t *testing.T) {
	m := newManager(t, Budget{})
	for range peerConns {
		require.NoError(t, connect(m, peerNumber(1), "203.0.113.1"))
	}
	require.Error(t, connect(m, peerNumber(1), "203.0.113.1"))
	require.Equal(t, counts{"connection of peer": 1}, refusals(t, m))
}

func TestAsManyComeFromAnAddressAsTheExchangeTakes(t *testing.T) {
	m := newManager(t, Budget{})
	for n := range connsEach * network.DefaultPerAddress {
		require.NoError(t, connect(m, peerNumber(n/connsEach), "203.0.113.1"))
	}
	require.Error(t, connect(m, peerNumber(1000), "203.0.113.1"))
	require.Equal(t, counts{"connection of address": 1}, refusals(t, m))
	require.NoError(t, connect(m, peerNumber(1000), "203.0.113.2"), "a neighbour")
	for n := range 2 * connsEach * network.DefaultPerAddress {
		require.NoError(t, connect(m, peerNumber(n/connsEach), "127.0.0.1"))
	}
}

// Whoever comes and goes is as much work as who stays.
func TestAnAddressComesBackOnceInAWhile(t *testing.T) {
	m := newManager(t, Budget{})
	come := func() error {
		c, err := m.OpenConnection(corenet.DirInbound, true, ma.StringCast("/ip6/2001:db8::1/tcp/4101"))
		if err == nil {
			c.Done()
		}
		return err
	}
	for range connsEach * network.DefaultPerAddress {
		require.NoError(t, come())
	}
	require.Error(t, come())
}

func TestOneStreamTooManyIsRefusedOnTheWire(t *testing.T) {
	m := newManager(t, Budget{})
	server, err := libp2p.New(libp2p.ResourceManager(m), libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"), libp2p.DisableMetrics())
	require.NoError(t, err)
	defer server.Close()
	client, err := libp2p.New(libp2p.ResourceManager(&corenet.NullResourceManager{}), libp2p.NoListenAddrs, libp2p.DisableMetrics())
	require.NoError(t, err)
	defer client.Close()
	require.NoError(t, client.Connect(t.Context(), peer.AddrInfo{ID: server.ID(), Addrs: server.Addrs()}))

	id := network.Protocols("")[0]
	came := make(chan corenet.Stream, peerStreams+1)
	server.SetStreamHandler(id, func(s corenet.Stream) { came <- s })
	open := func() corenet.Stream {
		s, err := client.NewStream(t.Context(), server.ID(), id)
		require.NoError(t, err)
		_, err = s.Write([]byte{0}) // libp2p negotiates with the first byte
		require.NoError(t, err)
		return s
	}
	for range peerStreams {
		open()
		<-came
	}
	_, err = open().Read(make([]byte, 1))
	require.ErrorIs(t, err, corenet.ErrReset)
	require.Empty(t, came)
	require.Equal(t, counts{"stream of protocol_and_peer": 1}, refusals(t, m))
}

func TestTheConnectionManagerHasTheNumbersOfTheBudget(t *testing.T) {
	m := newManager(t, Budget{High: 100})
	c, err := m.Connections()
	require.NoError(t, err)
	defer c.Close()
	info := c.GetInfo()
	require.Equal(t, []int{75, 100}, []int{info.LowWater, info.HighWater})
	require.NoError(t, c.CheckLimit(m), "it acts before the resource manager does")
}

func TestNumbersOfConnectionsThatCannotBeAreNamed(t *testing.T) {
	for says, b := range map[string]Budget{
		"15 is not from 16 to 65536":    {High: 15},
		"65537 is not from 16 to 65536": {High: 65537},
		"the low number":                {High: 20, Low: 21},
	} {
		_, err := New(b)
		require.ErrorContains(t, err, says)
	}
	require.Equal(t, 2000, Budget{Low: 2000}.WithDefaults().High)
}

func TestAProcessWithFewFilesIsToldSo(t *testing.T) {
	require.ErrorContains(t, newManager(t, Budget{Files: 1000}).Scarce(), "the process may have 1000 files")
	require.NoError(t, newManager(t, Budget{Files: 1000, High: 500}).Scarce())
	files, err := Files()
	require.NoError(t, err)
	require.Positive(t, files)
}
