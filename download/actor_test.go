package download

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/souk-p2p/souk/internal/walk"
	"github.com/souk-p2p/souk/session"
)

// web is nodes with blocks, and the store of who downloads from them: it is the
// Network and the Store.
type web struct {
	*Downloads
	t *testing.T

	mu      sync.Mutex
	nodes   map[peer.ID]*peerOf
	here    map[cid.Cid]blocks.Block
	asked   map[cid.Cid]int // of peers
	events  []Event
	full    error // of the store, when it is written to
	worn    error // when it is read
	opened  int   // sessions
	panics  []error
	linking func(blocks.Block) ([]cid.Cid, error)
	logs    *observer.ObservedLogs
}

// peerOf is a node of a web.
type peerOf struct {
	has     map[cid.Cid]blocks.Block
	away    error
	takes   time.Duration // for a block
	left    chan struct{} // closed when it leaves
	silent  bool
	refuses int // so many blocks, before it gives them
}

// A block of the web is text: the CIDs that it links to, one a line, and a word.
func textLinks(b blocks.Block) (links []cid.Cid, err error) {
	for line := range slices.Values(lines(b.RawData())) {
		if c, err := cid.Decode(line); err == nil {
			links = append(links, c)
		}
	}
	return links, nil
}

func lines(text []byte) (all []string) {
	line := []byte{}
	for _, c := range append(text, '\n') {
		if c == '\n' {
			all, line = append(all, string(line)), line[:0]
		} else {
			line = append(line, c)
		}
	}
	return all
}

// tree is a root over so many leaves; the root comes first.
func tree(name string, leaves int) []blocks.Block {
	text := name + "\n"
	all := []blocks.Block{nil}
	for n := range leaves {
		b := blocks.NewBlock(fmt.Appendf(nil, "%s, leaf %d", name, n))
		text += b.Cid().String() + "\n"
		all = append(all, b)
	}
	all[0] = blocks.NewBlock([]byte(text))
	return all
}

// run runs a test with downloads in a bubble, and nodes with these blocks.
func run(t *testing.T, l Limits, test func(t *testing.T, w *web), nodes ...[]blocks.Block) {
	synctest.Test(t, func(t *testing.T) {
		w := newWeb(t, nodes...)
		w.begin(l)
		defer func() { require.NoError(t, w.Stop(context.Background())) }()
		test(t, w)
	})
}

func newWeb(t *testing.T, nodes ...[]blocks.Block) *web {
	w := &web{t: t, nodes: make(map[peer.ID]*peerOf), here: make(map[cid.Cid]blocks.Block), asked: make(map[cid.Cid]int), linking: textLinks}
	for n, bs := range nodes {
		p := &peerOf{has: make(map[cid.Cid]blocks.Block), takes: 10 * time.Millisecond, left: make(chan struct{})}
		w.nodes[nodeID(n)] = p
		for _, b := range bs {
			p.has[b.Cid()] = b
		}
	}
	return w
}

func (w *web) begin(l Limits) {
	hear := func(e Event) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.events = append(w.events, e)
	}
	core, logs := observer.New(zap.DebugLevel)
	w.logs = logs
	d, err := New(Config{
		Logger: zap.New(core), Limits: l, Network: w, Store: w, Links: func(b blocks.Block) ([]cid.Cid, error) { return w.linking(b) },
		Listener: EventListener{Queued: hear, Started: hear, Retry: hear, Done: hear, Failed: hear, Dropped: hear},
		Fail:     func(err error) { w.t.Error(err) }, Panicked: w.panicked, Seed: 1,
	})
	require.NoError(w.t, err)
	w.Downloads = d
	d.Start()
}

func (w *web) panicked(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.panics = append(w.panics, err)
}

// Keep implements [Network]. A dial takes 50 ms.
func (w *web) Keep(ctx context.Context, to peer.AddrInfo, connected func()) error {
	select {
	case <-time.After(50 * time.Millisecond):
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	p := w.nodes[to.ID]
	if p == nil || p.away != nil {
		return errUnplugged
	}
	connected()
	select {
	case <-p.left:
		return errUnplugged
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Session implements [Network].
func (w *web) Session(_ context.Context, peers ...peer.ID) walk.Getter {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.opened++
	return fetcher{w, peers}
}

type fetcher struct {
	*web
	from []peer.ID
}

// GetBlock gives what is here, or what the first of the peers has that has it, which is
// stored a moment later.
func (f fetcher) GetBlock(ctx context.Context, c cid.Cid) (blocks.Block, error) {
	if b, err := f.Get(ctx, c); err == nil {
		return b, nil
	}
	e := &session.FetchError{CID: c, Store: f.worn}
	for _, id := range f.from {
		p := f.nodes[id]
		if p.silent {
			<-ctx.Done()
			return nil, &session.FetchError{CID: c, Err: context.Cause(ctx)}
		}
		select {
		case <-time.After(p.takes):
		case <-p.left:
			e.Answers = append(e.Answers, session.Answer{Peer: id, Outcome: session.Left})
			continue
		case <-ctx.Done():
			return nil, &session.FetchError{CID: c, Err: context.Cause(ctx)}
		}
		if b := f.give(p, c); b != nil {
			return b, nil
		}
		e.Answers = append(e.Answers, session.Answer{Peer: id, Outcome: session.DontHave})
	}
	return nil, e
}

func (w *web) give(p *peerOf, c cid.Cid) blocks.Block {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked[c]++
	b := p.has[c]
	if b == nil || p.refuses > 0 {
		p.refuses--
		return nil
	}
	time.AfterFunc(20*time.Millisecond, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.full == nil {
			w.here[c] = b
		}
	})
	return b
}

func (f fetcher) GetBlocks(ctx context.Context, cs []cid.Cid) (<-chan blocks.Block, error) {
	out := make(chan blocks.Block)
	go func() {
		defer close(out)
		for _, c := range cs {
			b, err := f.GetBlock(ctx, c)
			if err != nil {
				continue
			}
			select {
			case out <- b:
			case <-ctx.Done():
				return
			}
		}
	}()
	return out, nil
}

// Has implements [Store].
func (w *web) Has(_ context.Context, c cid.Cid) (bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.here[c] != nil, nil
}

// GetSize implements [Store].
func (w *web) GetSize(ctx context.Context, c cid.Cid) (int, error) {
	b, err := w.Get(ctx, c)
	if err != nil {
		return 0, err
	}
	return len(b.RawData()), nil
}

// Get implements [Store].
func (w *web) Get(_ context.Context, c cid.Cid) (blocks.Block, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if b := w.here[c]; b != nil {
		return b, nil
	}
	return nil, errors.New("not here")
}

// kinds are the kinds of the events so far.
func (w *web) kinds() (all []EventKind) {
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.events {
		all = append(all, e.Kind)
	}
	return all
}

// wants has somebody want a tree of these nodes.
func (w *web) wants(ctx context.Context, bs []blocks.Block, from ...int) <-chan error {
	var r Request
	for _, n := range from {
		r.From = append(r.From, peer.AddrInfo{ID: nodeID(n)})
	}
	ended := make(chan error, 1)
	go func() { ended <- w.Download(ctx, bs[0].Cid(), r) }()
	return ended
}

func (w *web) allHere(bs []blocks.Block) {
	w.t.Helper()
	for _, b := range bs {
		has, _ := w.Has(context.Background(), b.Cid())
		require.True(w.t, has, "%s", b.RawData())
	}
}

func TestADownloadEndsWhenEveryBlockIsStored(t *testing.T) {
	data := tree("a", 20)
	run(t, Limits{}, func(t *testing.T, w *web) {
		require.NoError(t, <-w.wants(t.Context(), data, 0))
		w.allHere(data)
		require.Equal(t, []EventKind{Queued, Started, Done}, w.kinds())
		require.Equal(t, nodeID(0), w.events[1].Node)

		require.NoError(t, <-w.wants(t.Context(), data, 0))
		for _, n := range w.asked {
			require.Equal(t, 1, n, "what is here is not fetched")
		}
		synctest.Wait() // The counts are published after whoever waited was told.
		require.EqualValues(t, 2, w.Stat().Done)
	}, data)
}

func TestTenCallersShareOneTransfer(t *testing.T) {
	data := tree("a", 20)
	run(t, Limits{}, func(t *testing.T, w *web) {
		var all []<-chan error
		for range 10 {
			all = append(all, w.wants(t.Context(), data, 0))
		}
		for _, ended := range all {
			require.NoError(t, <-ended)
		}
		require.Equal(t, 1, w.opened)
		require.Equal(t, []EventKind{Queued, Started, Done}, w.kinds())
	}, data)
}

func TestACallerThatLeavesEndsATransferThatNobodyElseWants(t *testing.T) {
	data := tree("a", 1000)
	run(t, Limits{}, func(t *testing.T, w *web) {
		ctx, cancel := context.WithCancel(t.Context())
		first, second := w.wants(ctx, data, 0), w.wants(t.Context(), data, 0)
		time.Sleep(time.Second)
		cancel()
		require.ErrorIs(t, <-first, context.Canceled)
		synctest.Wait()
		require.Equal(t, 1, w.Stat().Active)
		require.NoError(t, <-second)

		more := tree("b", 1000)
		for _, b := range more {
			w.nodes[nodeID(0)].has[b.Cid()] = b
		}
		ctx, cancel = context.WithCancel(t.Context())
		third := w.wants(ctx, more, 0)
		time.Sleep(time.Second)
		cancel()
		require.ErrorIs(t, <-third, context.Canceled)
		synctest.Wait()
		require.Zero(t, w.Stat().Active)
		require.Zero(t, w.Stat().Intents)
		require.Equal(t, Dropped, w.kinds()[len(w.kinds())-1])
	}, data)
}

func TestATransferGoesOnFromWhereAnotherHasFailed(t *testing.T) {
	data := tree("a", 100)
	run(t, Limits{}, func(t *testing.T, w *web) {
		ended := w.wants(t.Context(), data, 0)
		time.Sleep(500 * time.Millisecond)
		close(w.nodes[nodeID(0)].left)
		require.NoError(t, w.Hint(t.Context(), peer.AddrInfo{ID: nodeID(1)}, NodeHints{Has: []cid.Cid{data[0].Cid()}}))
		require.NoError(t, <-ended)
		w.allHere(data)
		for _, n := range w.asked {
			require.LessOrEqual(t, n, 1, "nothing comes twice")
		}
		require.Contains(t, w.kinds(), Retry)
	}, data, data)
}

func TestANodeThatIsForgottenIsNotAskedForTheRest(t *testing.T) {
	data := tree("a", 100)
	run(t, Limits{}, func(t *testing.T, w *web) {
		ended := w.wants(t.Context(), data, 0)
		time.Sleep(500 * time.Millisecond)
		require.NoError(t, w.Forget(t.Context(), nodeID(0)))
		time.Sleep(10 * time.Second)
		synctest.Wait()
		require.Less(t, len(w.asked), len(data))
		st, err := w.Status(t.Context(), data[0].Cid())
		require.NoError(t, err)
		require.Empty(t, st[0].Nodes)
		require.NoError(t, w.Hint(t.Context(), peer.AddrInfo{ID: nodeID(1)}, NodeHints{Has: []cid.Cid{data[0].Cid()}}))
		require.NoError(t, <-ended)
		w.allHere(data)
		synctest.Wait()
		require.Equal(t, nodeID(1), w.events[len(w.events)-1].Node)
	}, data, data)
}

// What one node lacks another has, and nobody has all.
func TestADownloadIsPutTogetherOfWhatNodesHave(t *testing.T) {
	data := tree("a", 20)
	run(t, Limits{}, func(t *testing.T, w *web) {
		require.NoError(t, <-w.wants(t.Context(), data, 0, 1))
		w.allHere(data)
	}, data[:11], append(data[11:], data[0]))
}

func TestWhatNobodyHasComesWhenSomebodyAppears(t *testing.T) {
	data := tree("a", 3)
	run(t, Limits{}, func(t *testing.T, w *web) {
		ended := w.wants(t.Context(), data, 0, 1)
		time.Sleep(2 * time.Second)
		for c, err := range w.Wanted(t.Context()) {
			require.NoError(t, err)
			require.Equal(t, data[0].Cid(), c)
		}
		st, err := w.Status(t.Context(), data[0].Cid(), data[1].Cid())
		require.NoError(t, err)
		require.Equal(t, "paused", st[0].State)
		require.ElementsMatch(t, []NodeFailure{{nodeID(0), HasNot}, {nodeID(1), HasNot}}, st[0].Failed)
		require.Equal(t, "unknown", st[1].State)
		require.NoError(t, w.Hint(t.Context(), peer.AddrInfo{ID: nodeID(2)}, NodeHints{Has: []cid.Cid{data[0].Cid()}}))
		require.NoError(t, <-ended)
	}, nil, nil, data)
}

func TestADownloadSaysWhyItHasFailed(t *testing.T) {
	data := tree("a", 3)
	for _, c := range []struct {
		name  string
		spoil func(w *web)
		why   error
	}{
		{"it has not got it", func(w *web) { clear(w.nodes[nodeID(0)].has) }, ErrNotFound},
		{"it lacks a block", func(w *web) { delete(w.nodes[nodeID(0)].has, data[2].Cid()) }, ErrNotFound},
		{"it cannot be reached", func(w *web) { w.nodes[nodeID(0)].away = errUnplugged }, ErrUnreachable},
		{"it is silent", func(w *web) { w.nodes[nodeID(0)].silent = true }, ErrBroken},
		{"it cannot be stored", func(w *web) { w.full = errUnplugged }, ErrLocal},
		{"the disk cannot be read", func(w *web) {
			w.worn = errUnplugged
			clear(w.nodes[nodeID(0)].has)
		}, ErrLocal},
		{"it cannot be read", func(w *web) {
			w.linking = func(blocks.Block) ([]cid.Cid, error) { return nil, errUnplugged }
		}, ErrLocal},
		{"reading it panics", func(w *web) {
			w.linking = func(blocks.Block) ([]cid.Cid, error) { panic("bug") }
		}, ErrLocal},
	} {
		t.Run(c.name, func(t *testing.T) {
			run(t, Limits{Retries: 1}, func(t *testing.T, w *web) {
				c.spoil(w)
				err := <-w.wants(t.Context(), data, 0)
				require.ErrorIs(t, err, c.why)
				var failed *FailedError
				require.ErrorAs(t, err, &failed)
				require.Equal(t, 1, failed.Retries)
				require.Equal(t, c.name == "reading it panics", len(w.panics) > 0)
				require.Equal(t, c.why == ErrLocal, w.logs.Len() > 0, "an operator may have to do something")
			}, data)
		})
	}
}

func TestProgressIsToldToWhoAsksEarlyAndLate(t *testing.T) {
	data := tree("a", 1000)
	run(t, Limits{}, func(t *testing.T, w *web) {
		var early, late []uint64
		note := func(to *[]uint64) Request {
			return Request{From: []peer.AddrInfo{{ID: nodeID(0)}}, Progress: func(e Event) { *to = append(*to, e.Bytes) }}
		}
		first := make(chan error, 1)
		go func() { first <- w.Download(t.Context(), data[0].Cid(), note(&early)) }()
		time.Sleep(15 * time.Second)
		second := make(chan error, 1)
		go func() { second <- w.Download(t.Context(), data[0].Cid(), note(&late)) }()
		synctest.Wait()
		require.NoError(t, <-first)
		require.NoError(t, <-second)
		require.True(t, slices.IsSorted(early))
		require.Greater(t, len(early), len(late))
		require.NotEmpty(t, late)
		total := uint64(0)
		for _, b := range data {
			total += uint64(len(b.RawData()))
		}
		require.Equal(t, total, early[len(early)-1])
	}, data)
}

func TestALargeResourceIsAskedOfAllItsNodes(t *testing.T) {
	data := tree("a", 3000)
	run(t, Limits{}, func(t *testing.T, w *web) {
		ended := make(chan error, 1)
		go func() {
			ended <- w.Download(t.Context(), data[0].Cid(), Request{From: []peer.AddrInfo{{ID: nodeID(0)}, {ID: nodeID(1)}}, Several: true})
		}()
		time.Sleep(5 * time.Second)
		st, err := w.Status(t.Context(), data[0].Cid())
		require.NoError(t, err)
		require.ElementsMatch(t, []peer.ID{nodeID(0), nodeID(1)}, st[0].Nodes)
		require.NoError(t, <-ended)
		require.Equal(t, 2, w.opened)
	}, data, data)
}

func TestDownloadsThatStopLeaveNothingAndAnotherGoesOn(t *testing.T) {
	data := tree("a", 1000)
	synctest.Test(t, func(t *testing.T) {
		w := newWeb(t, data)
		w.begin(Limits{})
		ended := w.wants(t.Context(), data, 0)
		time.Sleep(5 * time.Second)
		began := time.Now()
		require.NoError(t, w.Stop(t.Context()))
		require.Zero(t, time.Since(began))
		require.ErrorIs(t, <-ended, ErrClosed)
		require.ErrorIs(t, w.Download(t.Context(), data[0].Cid(), Request{}), ErrClosed)
		for _, err := range w.Wanted(t.Context()) {
			require.ErrorIs(t, err, ErrClosed, "nobody may take what is not known for nothing")
		}
		synctest.Wait() // What came may be stored in this very moment.
		here := len(w.here)
		require.Greater(t, here, 100)

		w.begin(Limits{})
		require.NoError(t, <-w.wants(t.Context(), data, 0))
		w.allHere(data)
		for _, n := range w.asked {
			require.LessOrEqual(t, n, 2)
		}
		again := 0
		for _, n := range w.asked {
			again += n - 1
		}
		require.LessOrEqual(t, again, 4, "what had come and was not stored")
		require.NoError(t, w.Stop(t.Context()))
	})
}

func TestAListenerThatPanicsOrIsSlowHoldsUpNobody(t *testing.T) {
	data := tree("a", 3)
	synctest.Test(t, func(t *testing.T) {
		w := newWeb(t, data)
		d, err := New(Config{
			Network: w, Store: w, Links: textLinks, Panicked: w.panicked,
			Listener: EventListener{Queued: func(Event) { time.Sleep(time.Hour) }, Done: func(Event) { panic("bug") }},
		})
		require.NoError(t, err)
		w.Downloads = d
		d.Start()
		began := time.Now()
		require.NoError(t, <-w.wants(t.Context(), data, 0))
		require.Less(t, time.Since(began), time.Minute)
		require.NoError(t, d.Stop(t.Context()))
		require.Len(t, w.panics, 1)
	})
}

func TestEventsThatWaitAreBounded(t *testing.T) {
	var all []Event
	for n := range 2 * mostEvents {
		all = append(all, Event{Kind: Progress, CID: resourceCID(n % 7)})
	}
	kept, lost := bounded(all)
	require.Len(t, kept, 7)
	require.Zero(t, lost)
	for i := range all {
		all[i].Kind = Started
	}
	kept, lost = bounded(all)
	require.Len(t, kept, mostEvents)
	require.Equal(t, mostEvents, lost)
}

func TestAConfigurationThatLacksSomethingIsNamed(t *testing.T) {
	w := newWeb(t)
	for field, cfg := range map[string]Config{
		"Network": {Store: w, Links: textLinks},
		"Store":   {Network: w, Links: textLinks},
		"Links":   {Network: w, Store: w},
		"Limits":  {Network: w, Store: w, Links: textLinks, Limits: Limits{Dials: -3}},
	} {
		_, err := New(cfg)
		require.ErrorContains(t, err, field)
	}
}
