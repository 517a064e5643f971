package node

import (
	"context"
	"sync"
	"time"

	"github.com/souk-p2p/souk/debug"
	"github.com/souk-p2p/souk/download/document"
)

// countAge is how old the counts of a document may be that a page shows: what is missing
// of a million files takes half a minute to find, and pages are drawn every two seconds.
const countAge = 30 * time.Second

// counter remembers what documents cover and lack, for those who do not wait for it. One
// is counted at a time.
type counter struct {
	mu   sync.Mutex
	last map[document.ID]tally
	busy bool
}

// tally is what was counted of a document, and when.
type tally struct {
	DocumentStatus
	at time.Time
}

// of returns the last count of a document, and whether the caller is to count it again.
func (c *counter) of(id document.ID) (last tally, due bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	last = c.last[id]
	if due = !c.busy && time.Since(last.at) >= countAge; due {
		c.busy = true
	}
	return last, due
}

// set notes a count, or forgets the document of which there is none.
func (c *counter) set(id document.ID, st DocumentStatus, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.busy = false
	if err != nil {
		delete(c.last, id)
		return
	}
	if c.last == nil {
		c.last = make(map[document.ID]tally)
	}
	c.last[id] = tally{DocumentStatus: st, at: time.Now()}
}

// counted returns the last count of a document, and has it counted when that is old.
func (n *Online) counted(id document.ID) tally {
	last, due := n.counts.of(id)
	if !due {
		return last
	}
	n.mu.Lock() // So that nothing begins once the node closes.
	defer n.mu.Unlock()
	if n.ctx.Err() != nil {
		return last
	}
	n.work.Go(func() {
		st, err := n.Storage.DocumentStatus(n.ctx, id)
		n.counts.set(id, st, err)
	})
	return last
}

// documentsPage is what the debug pages show of documents.
type documentsPage struct{ node *Online }

// Documents implements [debug.DownloadSource].
func (p documentsPage) Documents(ctx context.Context, files int) ([]debug.Document, error) {
	all := []debug.Document{}
	for one, err := range p.node.docs.List(ctx) {
		if err != nil {
			return nil, err
		}
		all = append(all, p.document(ctx, one, files))
	}
	return all, nil
}

func (p documentsPage) document(ctx context.Context, one document.Info, files int) debug.Document {
	now := p.node.mirror.Status(one.ID)
	last := p.node.counted(one.ID)
	d := debug.Document{
		ID: one.ID.String(), Name: one.Name, Policy: one.Policy.String(), Entries: one.Entries, Syncing: one.Syncing,
		Counted: last.at, Covered: last.Covered, CoveredBytes: last.CoveredBytes, Missing: last.Missing, MissingBytes: last.MissingBytes,
		Done: now.Done, Active: len(now.Active), Failed: now.Failed, Next: now.Next, Files: []debug.File{},
	}
	if files == 0 {
		return d
	}
	for _, f := range p.node.filesOf(ctx, now) {
		d.Files = append(d.Files, debug.File{
			Key: string(f.Key), State: f.State, Bytes: f.Bytes, Size: f.Size, Peers: f.Peers, Error: f.Error,
		})
	}
	d.Files = d.Files[:min(files, len(d.Files))]
	return d
}
