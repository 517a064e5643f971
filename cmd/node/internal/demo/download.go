package demo

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"time"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"

	"github.com/souk-p2p/souk/adapter/unixfs"
	"github.com/souk-p2p/souk/cmd/node/internal/node"
	"github.com/souk-p2p/souk/ledger"
)

// silence is how long nothing may come before the download has failed. The
// session asks somebody else long before.
const silence = time.Minute

// Report is what became of the download.
type Report struct {
	CID        string  `json:"cid"`
	Files      uint64  `json:"files"`
	Bytes      uint64  `json:"bytes"` // of content
	Blocks     uint64  `json:"blocks"`
	BlockBytes uint64  `json:"block_bytes"`
	Seconds    float64 `json:"seconds"`
	// MBPerSecond is content bytes in units of 10^6, a second.
	MBPerSecond      float64 `json:"mb_per_second"`
	RequestsPerBlock float64 `json:"requests_per_block"`
	Duplicates       uint64  `json:"duplicates"`
	// StoppedAt is the share of the bytes that the downloader had received when
	// the node with everything was gone.
	StoppedAt float64          `json:"stopped_at"`
	Tracker   Tracked          `json:"tracker"`
	Ledgers   []ledger.Receipt `json:"ledgers"`
	Identical bool             `json:"identical"`
}

// Tracked is what the tracker was told and asked.
type Tracked struct {
	Namespace string `json:"namespace"`
	Announced uint64 `json:"announced"` // announcements that it has taken
	Queries   uint64 `json:"queries"`   // that it was asked
	Named     uint64 `json:"named"`     // peers in all answers together
}

// Download fetches everything, stops the node that has everything at half, and
// compares the result with what was shared. It fails unless at least two peers
// gave something.
func (d *Demo) Download(ctx context.Context) (*Report, error) {
	output := filepath.Join(d.dir, "output")
	r := &Report{CID: d.Root.CID.String(), Files: d.Root.Files, Bytes: d.Root.Size, Blocks: d.Blocks, BlockBytes: d.Bytes}
	begin := time.Now()
	if err := d.fetch(ctx, output, r); err != nil {
		return nil, err
	}
	r.Seconds = time.Since(begin).Seconds()
	r.MBPerSecond = float64(r.Bytes) / 1e6 / r.Seconds
	d.account(ctx, r)
	if err := check(r); err != nil {
		return r, err
	}
	if err := compare(d.cfg.Path, output); err != nil {
		return r, err
	}
	r.Identical = true
	return r, nil
}

// fetch writes what was shared to output. All that it names is the namespace.
func (d *Demo) fetch(ctx context.Context, output string, r *Report) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watch := time.AfterFunc(silence, func() { cancel(fmt.Errorf("nothing came for %v", silence)) })
	defer watch.Stop()

	f, err := d.Downloader().Fetch(ctx, node.Source{Namespace: Namespace})
	if err != nil {
		return err
	}
	defer f.Close()
	half := &halfway{left: d.Bytes / 2, arrived: func() { watch.Reset(silence) }}
	half.reached = func() { half.failed = d.stopEverything(r) }
	_, err = unixfs.Get(ctx, unixfs.Watch(f, half.count), d.Root.CID, output, unixfs.GetOptions{
		Window: int64(d.ahead()), Progress: d.cfg.Fetching,
	})
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	if err != nil {
		return fmt.Errorf("fetch %s: %w", d.Root.CID, err)
	}
	return half.failed
}

// stopEverything stops the node that has everything and notes how far the
// download was by then.
func (d *Demo) stopEverything(r *Report) error {
	err := d.everything().stop()
	r.StoppedAt = float64(d.Downloader().Exchange.Stat().DataReceived) / float64(d.Bytes)
	return err
}

// account fills in what the downloader's own books and the tracker's say.
func (d *Demo) account(ctx context.Context, r *Report) {
	table := d.tracker().Exchange.Tracker().Stat(ctx).Table
	r.Tracker = Tracked{Namespace: Namespace, Announced: table.Announced, Queries: table.Queries, Named: table.Answered}
	x := d.Downloader().Exchange
	stat := x.Stat()
	r.Duplicates = stat.DupBlksReceived
	idle := func(l ledger.Receipt) bool { return l.WantsSent == 0 && l.BytesReceived == 0 } // as the tracker is
	r.Ledgers = slices.DeleteFunc(x.Ledgers(), idle)
	var wants uint64
	for _, l := range r.Ledgers {
		wants += l.WantsSent
	}
	r.RequestsPerBlock = float64(wants) / float64(max(r.Blocks, 1))
}

// check holds the books against what the demo promises.
func check(r *Report) error {
	gave := 0
	for _, l := range r.Ledgers {
		if l.BytesReceived > 0 {
			gave++
		}
	}
	if gave < 2 {
		return fmt.Errorf("only %d of the nodes gave anything: %d blocks are too few to show more, choose a larger PATH", gave, r.Blocks)
	}
	return nil
}

// halfway counts blocks and calls reached once, before the block is passed on with
// which half of the bytes have come.
type halfway struct {
	arrived func()
	reached func()
	failed  error

	mu   sync.Mutex
	left uint64 // bytes until half
	done bool
	seen map[cid.Cid]struct{}
}

func (h *halfway) count(b blocks.Block) {
	h.arrived()
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, again := h.seen[b.Cid()]; again || h.done {
		return
	}
	if h.seen == nil {
		h.seen = make(map[cid.Cid]struct{})
	}
	h.seen[b.Cid()] = struct{}{}
	size := uint64(len(b.RawData()))
	if h.left > size {
		h.left -= size
		return
	}
	h.done = true
	h.reached()
}
