package node

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/souk-p2p/souk/debug"
	"github.com/souk-p2p/souk/download/document"
)

// countAge is how old the counts of a document may be that a page shows: what is missing
// of a million files takes half a minute to find, and pages are drawn every two seconds.
const countAge = 30 * time.Second

// counter remembers what documents cover and lack, for those who do not wait for it. One
// is counted at a time, in the order in which they were looked at.
type counter struct {
	mu   sync.Mutex
	last map[document.ID]tally
	due  []document.ID
	busy bool
}

// tally is what was counted of a document, and when.
type tally struct {
	DocumentStatus
	at time.Time
}

// of returns the last count of a document, puts that in line when it is old, and reports
// whether the caller is to count what is in line.
func (c *counter) of(id document.ID) (last tally, begin bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	last = c.last[id]
	if time.Since(last.at) < countAge || slices.Contains(c.due, id) {
		return last, false
	}
	c.due = append(c.due, id)
	begin, c.busy = !c.busy, true
	return last, begin
}

// next returns the document that is counted next, until there is none.
func (c *counter) next() (id document.ID, more bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.busy = len(c.due) > 0; !c.busy {
		return id, false
	}
	return c.due[0], true
}

// set notes the count of the document that was next, or forgets it when there is none.
func (c *counter) set(id document.ID, st DocumentStatus, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.due = c.due[1:]
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
	last, begin := n.counts.of(id)
	if !begin {
		return last
	}
	n.mu.Lock() // So that nothing begins once the node closes.
	defer n.mu.Unlock()
	if n.ctx.Err() == nil {
		n.work.Go(n.count)
	}
	return last
}

// count counts what is in line.
func (n *Online) count() {
	for id, more := n.counts.next(); more && n.ctx.Err() == nil; id, more = n.counts.next() {
		st, err := n.Storage.DocumentStatus(n.ctx, id)
		n.counts.set(id, st, err)
	}
}

// documentsPage is what the debug pages show of documents.
type documentsPage struct{ node *Online }

// What a page has of files: so many in all, and of each document at least the next. A
// policy is shown that fills two lines; it may have 1 MiB.
const (
	pageFiles   = 1000
	fewestFiles = 10
	pagePolicy  = 200
)

// Documents implements [debug.DownloadSource].
func (p documentsPage) Documents(ctx context.Context, q debug.DownloadQuery) (page debug.DownloadPage, err error) {
	all, next, err := p.list(ctx, q)
	if err != nil {
		return page, err
	}
	stat := p.node.downloads.Stat()
	page = debug.DownloadPage{
		Documents: []debug.Document{}, Next: next,
		Transfers: stat.Active, Waiting: stat.Waiting, Connected: stat.Connected, Peers: stat.Nodes,
	}
	files := min(q.Files, max(fewestFiles, pageFiles/max(len(all), 1)))
	for _, one := range all {
		page.Documents = append(page.Documents, p.document(ctx, one, files))
	}
	return page, nil
}

// list returns the documents of a page, and behind which the next page begins.
func (p documentsPage) list(ctx context.Context, q debug.DownloadQuery) (all []document.Info, next string, err error) {
	for one, err := range p.node.docs.List(ctx) {
		if err != nil {
			return nil, "", err
		}
		id := one.ID.String()
		if id <= q.After || !strings.Contains(one.Name, q.Text) && !strings.Contains(id, q.Text) {
			continue
		}
		if len(all) == q.Most {
			return all, all[q.Most-1].ID.String(), nil
		}
		all = append(all, one)
	}
	return all, "", nil
}

func (p documentsPage) document(ctx context.Context, one document.Info, files int) debug.Document {
	now := p.node.mirror.Status(one.ID)
	d := debug.Document{
		ID: one.ID.String(), Name: one.Name, Policy: one.Policy.Summary(pagePolicy), Entries: one.Entries, Syncing: one.Syncing,
		Done: now.Done, Active: len(now.Active), Failed: now.Failed, Next: now.Next, Files: []debug.File{},
	}
	if now.Err != nil {
		d.Error = now.Err.Error()
	}
	if files == 0 {
		return d
	}
	last := p.node.counted(one.ID)
	d.Counted, d.Covered, d.CoveredBytes, d.Missing, d.MissingBytes = last.at, last.Covered, last.CoveredBytes, last.Missing, last.MissingBytes
	all := p.node.filesOf(ctx, now)
	slices.SortStableFunc(all, func(a, b FileStatus) int { return cmp.Compare(urgency(a.State), urgency(b.State)) })
	for _, f := range all[:min(files, len(all))] {
		d.Files = append(d.Files, debug.File{
			Key: string(f.Key), State: f.State, Bytes: f.Bytes, Size: f.Size, Peers: f.Peers, Error: f.Error,
		})
	}
	d.Unlisted = max(0, d.Active+int(d.Failed)-len(d.Files))
	return d
}

// urgency is the order of files in a list of which the end may be cut off.
func urgency(state string) int {
	return slices.Index([]string{"failed", "active", "paused", "waiting"}, state)
}
