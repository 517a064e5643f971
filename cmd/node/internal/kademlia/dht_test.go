package kademlia

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/souk-p2p/souk/test/eventually"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func fixed(cids ...cid.Cid) func(context.Context) iter.Seq2[cid.Cid, error] {
	return func(context.Context) iter.Seq2[cid.Cid, error] {
		return func(yield func(cid.Cid, error) bool) {
			for _, c := range cids {
				if !yield(c, nil) {
					return
				}
			}
		}
	}
}

// telling is a provider, in virtual time, that tells whom it is given.
func telling(t *testing.T, p *provider, scenario func()) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p.changed, p.schedule, p.log = make(chan struct{}, 1), newSchedule(), cmp.Or(p.log, zap.NewNop())
		ctx, cancel := context.WithCancel(t.Context())
		var work sync.WaitGroup
		work.Go(func() { p.run(ctx) })
		scenario()
		cancel()
		work.Wait()
	})
}

func TestRootsAreToldAFewAtATimeOnceThereIsADHT(t *testing.T) {
	var ready atomic.Bool
	var now, most, all atomic.Int32
	p := &provider{ready: ready.Load, roots: fixed(numbered(50)...), provide: func(context.Context, cid.Cid) error {
		n := now.Add(1)
		most.Store(max(most.Load(), n))
		time.Sleep(time.Second)
		now.Add(-1)
		all.Add(1)
		return nil
	}}
	telling(t, p, func() {
		time.Sleep(time.Hour)
		require.Zero(t, all.Load())
		ready.Store(true)
		time.Sleep(time.Minute)
		require.EqualValues(t, 50, all.Load())
		require.EqualValues(t, atOnce, most.Load())
		time.Sleep(provideAgain)
		require.EqualValues(t, 100, all.Load())
	})
}

func TestTheLogSaysWhenThereIsNoDHT(t *testing.T) {
	core, log := observer.New(zap.WarnLevel)
	var ready atomic.Bool
	ready.Store(true)
	p := &provider{ready: ready.Load, roots: fixed(), log: zap.New(core)}
	telling(t, p, func() {
		time.Sleep(time.Hour)
		require.Zero(t, log.Len())
		ready.Store(false)
		time.Sleep(time.Hour)
		require.Equal(t, 1, log.FilterMessageSnippet("no node of the DHT").Len())
		ready.Store(true)
		time.Sleep(time.Minute)
		require.Equal(t, 1, log.FilterMessageSnippet("known again").Len())
	})
}

func TestANewRootIsToldSoon(t *testing.T) {
	roots := numbered(2)
	var both atomic.Bool
	var told atomic.Int32
	p := &provider{
		ready: func() bool { return true },
		roots: func(ctx context.Context) iter.Seq2[cid.Cid, error] {
			if both.Load() {
				return fixed(roots...)(ctx)
			}
			return fixed(roots[0])(ctx)
		},
		provide: func(context.Context, cid.Cid) error { told.Add(1); return nil },
	}
	telling(t, p, func() {
		time.Sleep(time.Minute)
		require.EqualValues(t, 1, told.Load())
		both.Store(true)
		p.look()
		time.Sleep(2 * idlePause)
		require.EqualValues(t, 2, told.Load())
	})
}

func TestRootsThatCannotBeReadAreThoseOfBefore(t *testing.T) {
	roots := numbered(2)
	p := &provider{log: zap.NewNop(), schedule: newSchedule(), roots: fixed(roots...)}
	p.read(t.Context())
	p.roots = func(context.Context) iter.Seq2[cid.Cid, error] {
		return func(yield func(cid.Cid, error) bool) { yield(cid.Undef, errors.New("the disk is broken")) }
	}
	p.read(t.Context())
	require.Len(t, p.schedule.due(time.Now(), 9), 2)
}

func TestOneTellsTheDHTAndAnotherFindsIt(t *testing.T) {
	root := numbered(1)[0]
	server := newHost(t)
	join(t, server, Config{Server: true, Roots: fixed()})
	first := []peer.AddrInfo{{ID: server.ID(), Addrs: server.Addrs()}}
	holder := newHost(t)
	join(t, holder, Config{Bootstrap: first, Roots: fixed(root)})
	d := join(t, newHost(t), Config{Bootstrap: first, Roots: fixed()})
	eventually.True(t, func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		for p := range d.Routing().FindProvidersAsync(ctx, root, 1) {
			return p.ID == holder.ID()
		}
		return false
	})
}

func newHost(t *testing.T) host.Host {
	t.Helper()
	h, err := libp2p.New(libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"), libp2p.DisableMetrics())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, h.Close()) })
	return h
}

func join(t *testing.T, h host.Host, cfg Config) *DHT {
	t.Helper()
	cfg.Logger = zap.NewNop()
	d, err := Start(h, cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	return d
}
