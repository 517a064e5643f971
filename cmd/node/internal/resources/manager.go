package resources

import (
	"errors"
	"fmt"
	"math"
	"time"

	corenet "github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	rcmgr "github.com/libp2p/go-libp2p/p2p/host/resource-manager"
	"github.com/libp2p/go-libp2p/p2p/net/connmgr"
	ma "github.com/multiformats/go-multiaddr"
	"golang.org/x/sys/unix"
)

// grace is for how long a new connection is left alone: twice what a peer has to show
// that it is of use, and as in Kubo.
const grace = 20 * time.Second

// Manager is libp2p's resource manager with the limits of a budget. It counts what is
// refused, for Prometheus. It must be closed, which a host does that has it.
type Manager struct {
	corenet.ResourceManager
	budget  Budget
	refused refused
}

// New returns a manager for the budget, whose zero fields are the defaults.
func New(b Budget) (*Manager, error) {
	m := &Manager{budget: b.WithDefaults()}
	if err := m.budget.Check(); err != nil {
		return nil, fmt.Errorf("connections: %w", err)
	}
	var err error
	m.ResourceManager, err = rcmgr.NewResourceManager(rcmgr.NewFixedLimiter(m.budget.limits()),
		byAddress(), byAddressAndTime(), rcmgr.WithMetrics(&m.refused), rcmgr.WithMetricsDisabled())
	return m, err
}

// Connections returns the connection manager of the budget.
func (m *Manager) Connections() (*connmgr.BasicConnMgr, error) {
	return connmgr.NewConnManager(m.budget.Low, m.budget.High, connmgr.WithGracePeriod(grace))
}

// GetConnLimit is how many connections there may be at all.
func (m *Manager) GetConnLimit() int { return m.budget.most() }

// OpenConnection implements [corenet.ResourceManager]. libp2p does not tell its
// counters of what an address has too many of.
func (m *Manager) OpenConnection(d corenet.Direction, usesFile bool, endpoint ma.Multiaddr) (corenet.ConnManagementScope, error) {
	scope, err := m.ResourceManager.OpenConnection(d, usesFile, endpoint)
	if err != nil && !errors.Is(err, corenet.ErrResourceLimitExceeded) {
		m.refused.count(connection, ofAddress)
	}
	return scope, err
}

// OpenStream implements [corenet.ResourceManager]. What is refused here is either too
// much for the peer or for the node.
func (m *Manager) OpenStream(p peer.ID, d corenet.Direction) (corenet.StreamManagementScope, error) {
	scope, err := m.ResourceManager.OpenStream(p, d)
	if err != nil {
		m.refused.count(stream, m.whose(p, d))
	}
	return scope, err
}

// whose tells who has too many streams.
func (m *Manager) whose(p peer.ID, d corenet.Direction) reason {
	var stat corenet.ScopeStat
	_ = m.ViewPeer(p, func(s corenet.PeerScope) error {
		stat = s.Stat()
		return nil
	})
	n := stat.NumStreamsOutbound
	if d == corenet.DirInbound {
		n = stat.NumStreamsInbound
	}
	if n >= peerStreams+otherStreams {
		return ofPeer
	}
	return ofNode
}

// Scarce returns an error when the process may not have the files that the
// connections of the budget need.
func (m *Manager) Scarce() error {
	if files := m.budget.files(); files < m.budget.High {
		return fmt.Errorf("the process may have %d files, half of them for connections, and %d connections are to be kept: raise its limit (ulimit -n, LimitNOFILE=), or lower --connections-high", m.budget.Files, m.budget.High)
	}
	return nil
}

// Files returns how many files this process may have open.
func Files() (int, error) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 0, fmt.Errorf("limit of open files: %w", err)
	}
	return int(min(uint64(limit.Cur), math.MaxInt32)), nil
}
