package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"go.uber.org/zap"

	"github.com/souk-p2p/souk/adapter/dag"
	"github.com/souk-p2p/souk/download"
	"github.com/souk-p2p/souk/download/document"
	"github.com/souk-p2p/souk/download/mirror"
	"github.com/souk-p2p/souk/providers"
)

// Syncer is what a node does to have documents complete.
type Syncer interface {
	// SyncDocument has what a document lacks fetched, until it is cancelled, over restarts,
	// and waits for that if it is told to. Who waits and ends does not end the syncing by a
	// node that runs. progress may be nil.
	SyncDocument(ctx context.Context, r SyncRequest, progress func(SyncProgress)) (SyncProgress, error)
	// CancelDocument ends that.
	CancelDocument(ctx context.Context, id document.ID) error
	// DocumentStatus tells what of a document is here and what is under way.
	DocumentStatus(ctx context.Context, id document.ID) (DocumentStatus, error)
}

// SyncRequest says what is synced.
type SyncRequest struct {
	ID   document.ID
	From []peer.AddrInfo // who is asked besides those that hold its namespace
	Wait bool            // until all that the policy covers is here, or something has failed
}

// SyncProgress is how the syncing of a document is doing.
type SyncProgress struct {
	Done   uint64 `json:"done"`   // files fetched since it was begun
	Active int    `json:"active"` // under way
	Failed uint64 `json:"failed"` // in this round
}

// DocumentStatus is how a document is doing.
type DocumentStatus struct {
	document.Info
	Covered      uint64 `json:"covered"` // entries, by the policy
	CoveredBytes uint64 `json:"covered_bytes"`
	Missing      uint64 `json:"missing"` // of these
	MissingBytes uint64 `json:"missing_bytes"`
	Partial      uint64 `json:"partial"` // of the missing, of which some is here
	Idle         bool   `json:"idle"`    // it is synced, and all is here
	SyncProgress
	Files []FileStatus `json:"files,omitempty"` // under way, and those that have failed
	Next  time.Time    `json:"next,omitzero"`   // when those are tried again
	Error string       `json:"error,omitempty"` // why it cannot be found what is missing
}

// FileStatus is a file that is under way or has failed.
type FileStatus struct {
	Key   []byte `json:"key"`
	CID   string `json:"cid"`
	Size  uint64 `json:"size"`
	Bytes uint64 `json:"bytes"` // that are here, as far as is known
	State string `json:"state"` // waiting for a peer, paused, active, or failed
	// Peers serve it now, and Error says why it failed, or why it waits.
	Peers []peer.ID `json:"peers,omitempty"`
	Error string    `json:"error,omitempty"`
}

// SyncError says that not all of a document came.
type SyncError struct {
	Failed   uint64
	Failures []mirror.Failure
	Looking  error // why what is missing could not be found; nil when it could
	Running  bool  // it is tried again
}

func (e *SyncError) Error() string {
	text := fmt.Sprintf("%d files could not be fetched", e.Failed)
	switch {
	case e.Looking != nil:
		text = fmt.Sprintf("what is missing cannot be found: %v", e.Looking)
	case e.Failed == 1:
		text = "a file could not be fetched"
	}
	if e.Looking == nil && len(e.Failures) > 0 {
		text += fmt.Sprintf(", as %q: %v", e.Failures[0].Entry.Key, e.Failures[0].Err)
	}
	if e.Running {
		text += " (it is tried again: see souk doc status)"
	}
	return text
}

// groupOf is the label of what belongs to a document, and of who may have it.
func groupOf(id document.ID) download.Group { return download.Group(id.Namespace()) }

// startSyncing brings up what fetches the data of documents.
func (n *Online) startSyncing(ctx context.Context) error {
	var err error
	n.downloads, err = download.Open(ctx, n.Exchange, download.Config{Store: n.Blocks, Links: linksOf, Leaf: dag.IsLeaf})
	if err != nil {
		return fmt.Errorf("start downloads: %w", err)
	}
	n.mirror, err = mirror.Open(ctx, n.Exchange, mirror.Config{Documents: n.docs, Look: n.presence, Fetch: n.fetchEntry})
	if err != nil {
		return fmt.Errorf("start syncing documents: %w", err)
	}
	if err := n.list(ctx, n.Exchange); err != nil {
		return err
	}
	n.Storage.downloads.Store(n.downloads)
	n.work.Go(func() { n.hintPeers(n.ctx) })
	return n.mirror.Resume(ctx)
}

// linksOf returns the links of a block. One whose links cannot be read has none here, as when
// it is looked what is missing: its author may have called anything a file, and there is
// nothing else that could be fetched.
func linksOf(b blocks.Block) ([]cid.Cid, error) {
	links, err := dag.Links(b)
	if err != nil {
		return nil, nil
	}
	return links, nil
}

// fetchEntry has the data of an entry stored.
func (n *Online) fetchEntry(ctx context.Context, of document.ID, e document.Entry, progress func(bytes uint64)) error {
	return n.downloads.Download(ctx, e.CID, download.Request{
		Groups: []download.Group{groupOf(of)}, Size: e.Size,
		Progress: func(e download.Event) { progress(e.Bytes) },
	})
}

// lookAround is how often it is looked who may have what is synced: a hint counts for an
// hour, and a peer that comes should not wait for minutes.
const lookAround = 15 * time.Second

// mostAround is how many connected peers are taken for such, and how many are asked for: as
// many as downloads connect to at most.
const mostAround = 25

// hintPeers tells downloads, until ctx ends, who may have what of the documents that are
// synced: those that are connected, and those that trackers name for their namespaces.
func (n *Online) hintPeers(ctx context.Context) {
	timer := time.NewTicker(lookAround)
	defer timer.Stop()
	for {
		for one, err := range n.docs.List(ctx) {
			if err != nil {
				break
			}
			if one.Syncing {
				n.hintFor(ctx, one.ID)
			}
		}
		select {
		case <-timer.C:
		case <-n.looked:
		case <-ctx.Done():
			return
		}
	}
}

// hintFor tells downloads who may have what of a document.
func (n *Online) hintFor(ctx context.Context, id document.ID) {
	around := n.around(ctx)
	if n.tracked() {
		// With a DHT those that came in the last minute wait for the next look: each is a walk.
		q := providers.Query{Namespace: id.Namespace(), Most: mostAround, Newcomers: n.dht == nil}
		found, err := n.Exchange.Search(ctx, q)
		if err != nil && ctx.Err() == nil {
			n.log.Debug("who has a document is not known", zap.Stringer("document", id), zap.Error(err))
		}
		around = append(around, found...)
	}
	n.hint(ctx, id, around)
}

// around are connected peers, without those that are connected because they are
// trackers: each would be asked for every file.
func (n *Online) around(ctx context.Context) (around []peer.AddrInfo) {
	connected, err := n.Exchange.Peers(ctx)
	if err != nil {
		return nil
	}
	trackers := n.named()
	for _, p := range connected {
		if len(around) < mostAround && indexOf(trackers, p.Peer) < 0 {
			around = append(around, peer.AddrInfo{ID: p.Peer})
		}
	}
	return around
}

// hint tells downloads of peers that may have what belongs to a document.
func (n *Online) hint(ctx context.Context, id document.ID, peers []peer.AddrInfo) {
	h := download.NodeHints{Groups: []download.Group{groupOf(id)}}
	for _, p := range peers {
		if err := n.downloads.Hint(ctx, p, h); err != nil && ctx.Err() == nil {
			n.log.Debug("a peer is not asked for documents", zap.Stringer("peer", p.ID), zap.Error(err))
		}
	}
}

// SyncDocument implements [Syncer].
func (n *Online) SyncDocument(ctx context.Context, r SyncRequest, progress func(SyncProgress)) (SyncProgress, error) {
	if err := n.mirror.Sync(ctx, r.ID); err != nil {
		return SyncProgress{}, err
	}
	n.hint(ctx, r.ID, r.From)
	select {
	case n.looked <- struct{}{}:
	default:
	}
	if !r.Wait {
		return progressOf(n.mirror.Status(r.ID)), nil
	}
	return n.awaitSync(ctx, r.ID, progress)
}

func progressOf(st mirror.Status) SyncProgress {
	return SyncProgress{Done: st.Done, Active: len(st.Active), Failed: st.Failed}
}

// syncProgress is how often who waits is told how far it is.
const syncProgress = 200 * time.Millisecond

func (n *Online) awaitSync(ctx context.Context, id document.ID, progress func(SyncProgress)) (SyncProgress, error) {
	idle := make(chan error, 1)
	waiting, done := context.WithCancel(ctx)
	defer done()
	go func() { idle <- n.mirror.Wait(waiting, id) }()
	timer := time.NewTicker(syncProgress)
	defer timer.Stop()
	for {
		st := n.mirror.Status(id)
		if progress != nil {
			progress(progressOf(st))
		}
		if !st.Next.IsZero() {
			return progressOf(st), &SyncError{Failed: st.Failed, Failures: st.Failures, Looking: st.Err, Running: true}
		}
		select {
		case err := <-idle:
			return progressOf(n.mirror.Status(id)), err
		case <-timer.C:
		}
	}
}

// CancelDocument implements [Syncer].
func (n *Online) CancelDocument(ctx context.Context, id document.ID) error {
	return n.mirror.Cancel(ctx, id)
}

// DocumentStatus implements [Syncer].
func (n *Online) DocumentStatus(ctx context.Context, id document.ID) (DocumentStatus, error) {
	st, err := n.Storage.DocumentStatus(ctx, id)
	if err != nil {
		return st, err
	}
	now := n.mirror.Status(id)
	st.SyncProgress, st.Idle, st.Next = progressOf(now), now.Idle, now.Next
	st.Files = n.filesOf(ctx, now)
	if now.Err != nil {
		st.Error = now.Err.Error()
	}
	return st, nil
}

// mostFiles is how many files that are under way a status names.
const mostFiles = 256

func (n *Online) filesOf(ctx context.Context, now mirror.Status) (files []FileStatus) {
	active := now.Active[:min(len(now.Active), mostFiles)]
	cids := make([]cid.Cid, len(active))
	for i, e := range active {
		cids[i] = e.CID
	}
	known, err := n.downloads.Status(ctx, cids...)
	for i, e := range active {
		f := FileStatus{Key: e.Key, CID: e.CID.String(), Size: e.Size, Bytes: e.Bytes, State: "waiting"}
		if err == nil {
			f.add(known[i])
		}
		files = append(files, f)
	}
	for _, e := range now.Failures {
		files = append(files, FileStatus{Key: e.Entry.Key, CID: e.Entry.CID.String(), Size: e.Entry.Size, State: "failed", Error: e.Err.Error()})
	}
	return files
}

// add adds what downloads know of a file.
func (f *FileStatus) add(st download.Status) {
	f.Bytes, f.Peers = max(f.Bytes, st.Bytes), st.Nodes
	if st.State != "unknown" { // its download has not begun, or has just ended
		f.State = st.State
	}
	var why []string
	told := len(st.Failed) > 0
	for _, failed := range st.Failed {
		why = append(why, fmt.Sprintf("%s %s", failed.Node, failed.Reason))
		told = told && (failed.Reason == download.HasNot || failed.Reason == download.Stalled)
	}
	if st.Err != nil && !told { // of which the error says no more
		why = append(why, st.Err.Error())
	}
	f.Error = strings.Join(why, "; ")
}

// DocumentStatus is [Syncer.DocumentStatus] of what is stored.
func (s *Storage) DocumentStatus(ctx context.Context, id document.ID) (st DocumentStatus, err error) {
	if st.Info, err = s.docs.Info(ctx, id); err != nil {
		return st, err
	}
	d, err := s.docs.Document(ctx, id)
	if err != nil {
		return st, err
	}
	for e, err := range document.Covered(ctx, d, st.Policy, nil) {
		if err != nil {
			return st, err
		}
		st.Covered++
		st.CoveredBytes += e.Size
	}
	for l, err := range document.Missing(ctx, d, st.Policy, nil, s.presence) {
		if err != nil {
			return st, err
		}
		st.Missing++
		st.MissingBytes += l.Size
		if l.Partial() {
			st.Partial++
		}
	}
	return st, nil
}

// CancelDocument implements [Syncer].
func (n *Offline) CancelDocument(ctx context.Context, id document.ID) error {
	return n.docs.SetSyncing(ctx, id, false)
}

// errNobodyAsked is the error of one who waits for what nobody fetches.
var errNobodyAsked = errors.New("not all of it is here, and nobody is asked: no node is running on this repository, and there is no --peer; the next node that runs goes on with it")

// SyncDocument implements [Syncer]: with a network that ends with it. A node that runs
// later goes on.
func (n *Offline) SyncDocument(ctx context.Context, r SyncRequest, progress func(SyncProgress)) (done SyncProgress, err error) {
	if !r.Wait || len(r.From) == 0 {
		err := n.docs.SetSyncing(ctx, r.ID, true)
		if err == nil && r.Wait {
			err = n.isHere(ctx, r.ID)
		}
		return done, err
	}
	cfg := n.cfg
	cfg.Relaying.Client = relayedPeers(r.From)
	cfg.SyncDocuments = true
	online, err := Start(ctx, n.repo.Key(), n.store, cfg)
	if err != nil {
		return done, err
	}
	defer func() { err = errors.Join(err, online.Close()) }()
	done, err = online.SyncDocument(ctx, r, progress)
	var failed *SyncError
	if errors.As(err, &failed) {
		failed.Running = false
	}
	return done, err
}

// isHere returns an error when something is missing of a document.
func (s *Storage) isHere(ctx context.Context, id document.ID) error {
	for _, err := range s.Missing(ctx, id) {
		return cmp.Or(err, errNobodyAsked)
	}
	return nil
}
