package crash

import (
	"context"
	"encoding/base32"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-datastore"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/blockstore"
	"github.com/souk-p2p/souk/session"
	"github.com/souk-p2p/souk/test/internal/corpus"
	"github.com/souk-p2p/souk/test/internal/exchanges"
	"github.com/souk-p2p/souk/test/internal/tally"
	"github.com/souk-p2p/souk/test/sim"
)

var link = sim.Link{RoundTrip: 20 * time.Millisecond, Bandwidth: 100_000_000}

// faulted is a world with a node whose disk can be broken, and one that asks it.
type faulted struct {
	*sim.World
	disk           *Faulty
	server, client *sim.Node
	data           []blocks.Block
	bad            func(datastore.Key) bool // the keys of the first five blocks
}

// withFaults plays a scenario in which the server has twenty blocks.
func withFaults(t *testing.T, scenario func(w *faulted)) {
	synctest.Test(t, func(t *testing.T) {
		w := &faulted{World: sim.NewWorld(t), disk: NewFaulty(), data: corpus.Blocks(1, 20, 5000)}
		defer w.End()
		w.bad = keysOf(w.data[:5])
		w.server, w.client = w.Over(blockstore.New(w.disk), link), w.Node(exchanges.MakeSouk, link)
		w.Put(w.server, w.data...)
		w.Connect(w.client, w.server)
		w.Settle()
		scenario(w)
	})
	tally.Add(t, tally.StoreFaults, 1)
}

// keys is how the names of blocks are written in their keys.
var keys = base32.StdEncoding.WithPadding(base32.NoPadding)

func keysOf(bs []blocks.Block) func(datastore.Key) bool {
	names := make(map[string]bool)
	for _, b := range bs {
		names[keyName(b)] = true
	}
	return func(key datastore.Key) bool { return names[key.BaseNamespace()] }
}

// expectHonestSilence says that the client still waits for the first five
// blocks, was not told that they are missing, and holds nothing against the
// server.
func (w *faulted) expectHonestSilence() {
	w.Do(func() error {
		if n := len(w.server.Exchange.WantsOf(w.client.ID())); n != 5 {
			return fmt.Errorf("%d wants are left at the server", n)
		}
		r, ok := w.client.Exchange.(*exchanges.Souk).Ledger(w.server.ID())
		if !ok || r.DontHavesReceived != 0 || len(r.Faults) != 0 {
			return fmt.Errorf("the server answered or sent what it should not: %+v", r)
		}
		return nil
	})
}

// fetching is a call that goes on while other things happen.
type fetching struct {
	w    *faulted
	ch   <-chan blocks.Block
	want map[string][]byte
}

func (w *faulted) begin(n *sim.Node, want []blocks.Block, from ...*sim.Node) *fetching {
	f := &fetching{w: w, want: make(map[string][]byte)}
	w.Do(func() (err error) {
		for _, b := range want {
			f.want[b.Cid().KeyString()] = b.RawData()
		}
		var ids []session.Option
		for _, p := range from {
			ids = append(ids, session.WithPeers(p.ID()))
		}
		s := n.Exchange.(*exchanges.Souk).NewSession(context.Background(), ids...)
		f.ch, err = s.GetBlocks(context.Background(), corpus.CIDs(want))
		return err
	})
	return f
}

// gets waits until n more blocks have come, and no others in the next two minutes.
func (f *fetching) gets(n int) {
	f.w.Do(func() error {
		for got := 0; ; got++ {
			select {
			case b, more := <-f.ch:
				if !more && got == n {
					return nil
				}
				if !more || got == n {
					return fmt.Errorf("got %d blocks of %d, and then more or the end", got, n)
				}
				if data := f.want[b.Cid().KeyString()]; string(data) != string(b.RawData()) {
					return errors.New("other bytes than were asked for")
				}
			case <-time.After(2 * time.Minute):
				if got != n {
					return fmt.Errorf("got %d blocks of %d", got, n)
				}
				return nil
			}
		}
	})
}

func TestUnreadableBlocksAreAnsweredWhenTheyCanBeReadAgain(t *testing.T) {
	withFaults(t, func(w *faulted) {
		w.disk.Set(Faults{Unreadable: w.bad})
		f := w.begin(w.client, w.data, w.server)
		f.gets(15)
		w.expectHonestSilence()
		w.disk.Set(Faults{})
		f.gets(5)
	})
}

func TestRottenBlocksAreNeverSentAndAreMendedByAPut(t *testing.T) {
	withFaults(t, func(w *faulted) {
		w.rot()
		f := w.begin(w.client, w.data, w.server)
		f.gets(15)
		w.expectHonestSilence()
		w.Put(w.server, w.data[:5]...)
		f.gets(5)
	})
}

func TestFailingDiskOfOnePeerIsNoMatterWhereAnotherHasTheBlocks(t *testing.T) {
	withFaults(t, func(w *faulted) {
		other := w.Node(exchanges.MakeSouk, link)
		w.Put(other, w.data...)
		w.Connect(w.client, other)
		w.Settle()
		w.disk.Set(Faults{Unreadable: w.bad})
		w.Begin()
		w.Fetch(w.client, w.data, w.server, other)
		w.Expect(func() bool { return w.Took() < time.Minute }, "no long wait for the peer that cannot read")
	})
}

func TestFullDiskIsAnErrorToWhoPutsAndToNobodyElse(t *testing.T) {
	withFaults(t, func(w *faulted) {
		more := corpus.Blocks(2, 5, 5000)
		w.disk.Set(Faults{Full: true})
		w.Do(func() error {
			if err := w.server.Exchange.Put(context.Background(), more...); !errors.Is(err, syscall.ENOSPC) {
				return fmt.Errorf("putting on a full disk: %w", err)
			}
			return nil
		})
		w.Fetch(w.client, w.data, w.server)
		w.disk.Set(Faults{})
		w.Put(w.server, more...)
		w.Fetch(w.client, more, w.server)
	})
}

func TestFetchOntoAFullDiskDelivers(t *testing.T) {
	withFaults(t, func(w *faulted) {
		more := corpus.Blocks(2, 20, 5000)
		w.Put(w.client, more...)
		w.disk.Set(Faults{Full: true})
		w.Fetch(w.server, more, w.client)
		w.expectStored(more, false)
		w.disk.Set(Faults{})
		w.Fetch(w.server, more, w.client)
		w.expectStored(more, true)
	})
}

func (w *faulted) expectStored(bs []blocks.Block, stored bool) {
	w.Pass(time.Second)
	for _, b := range bs {
		w.Do(func() error {
			has, err := w.server.Exchange.Has(context.Background(), b.Cid())
			if err == nil && has != stored {
				err = fmt.Errorf("%s is stored: %t", b.Cid(), has)
			}
			return err
		})
	}
}

func TestSlowDiskLosesNothing(t *testing.T) {
	withFaults(t, func(w *faulted) {
		w.disk.Set(Faults{Slow: 3 * time.Second})
		w.Fetch(w.client, w.data, w.server)
		w.Do(func() error {
			if r, _ := w.client.Exchange.(*exchanges.Souk).Ledger(w.server.ID()); r.DontHavesReceived != 0 {
				return fmt.Errorf("%d DONT_HAVEs", r.DontHavesReceived)
			}
			return nil
		})
		w.disk.Set(Faults{})
		w.Pass(10 * time.Second) // Closing waits for a call under way no longer than 2 s.
	})
}

// rot changes the first five blocks on the server's disk.
func (w *faulted) rot() {
	w.Do(func() error { return w.disk.Rot(context.Background(), w.bad) })
}

func TestOwnRottenBlocksAreFetchedAndMended(t *testing.T) {
	withFaults(t, func(w *faulted) {
		w.Put(w.client, w.data[:5]...)
		w.rot()
		w.Fetch(w.server, w.data, w.client)
		w.Pass(time.Second)
		w.Do(func() error {
			for _, b := range w.data {
				if err := serves(context.Background(), blockstore.New(w.disk), b.Cid()); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

func TestOwnUnreadableBlocksAreFetched(t *testing.T) {
	withFaults(t, func(w *faulted) {
		w.Put(w.client, w.data[:5]...)
		w.disk.Set(Faults{Unreadable: w.bad})
		w.Fetch(w.server, w.data, w.client)
	})
}

func TestOwnDamagedBlockThatNobodyHasIsNotReportedAsMissing(t *testing.T) {
	withFaults(t, func(w *faulted) {
		w.disk.Set(Faults{Unreadable: w.bad})
		w.Do(func() error {
			s := w.server.Exchange.(*exchanges.Souk).NewSession(context.Background(), session.WithPeers(w.client.ID()))
			_, err := s.GetBlock(context.Background(), w.data[0].Cid())
			var failed *session.FetchError
			if !errors.As(err, &failed) || failed.NotFound() || !errors.Is(err, syscall.EIO) || !strings.Contains(err.Error(), "does not have it") {
				return fmt.Errorf("not what the disk and the peer said: %w", err)
			}
			return nil
		})
	})
}

// The proof that rotten blocks would be noticed if they were sent: by a server
// that trusts its disk.
func TestServerThatTrustsARottenDiskIsFoundOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := sim.NewWorld(t)
		defer w.End()
		disk, data := NewFaulty(), corpus.Blocks(1, 1, 5000)
		server := w.Over(blockstore.New(disk, blockstore.WithTrustedReads()), link)
		client := w.Node(exchanges.MakeSouk, link)
		w.Put(server, data...)
		w.Connect(client, server)
		w.Settle()
		w.Do(func() error {
			if err := disk.Rot(context.Background(), keysOf(data)); err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			_, err := client.Exchange.Fetcher(ctx, server.ID()).GetBlock(ctx, data[0].Cid())
			require.Error(t, err)
			r, _ := client.Exchange.(*exchanges.Souk).Ledger(server.ID())
			require.NotEmpty(t, r.Faults)
			return nil
		})
	})
	tally.Add(t, tally.PlantedFaults, 1)
}
