package debug

import (
	"context"
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// DownloadSource tells of documents, and of what is fetched of them.
type DownloadSource interface {
	// Documents returns those that are asked for. It does not wait until what is missing
	// was counted.
	Documents(ctx context.Context, q DownloadQuery) (DownloadPage, error)
}

// DownloadQuery says of which documents a page tells.
type DownloadQuery struct {
	Text  string // which their names or IDs hold; empty for all
	After string // the ID of the one before the first, or empty
	Most  int    // documents
	Files int    // of each; 0 for none, and then what is missing is not counted either
}

// DownloadPage is some documents, in the order of their IDs, and what is fetched of all.
type DownloadPage struct {
	Documents []Document `json:"documents"`
	Next      string     `json:"next,omitempty"` // After, for those that follow
	Transfers int        `json:"transfers"`      // that run
	Waiting   int        `json:"waiting"`        // files that a peer could begin with
	Connected int        `json:"connected"`      // peers, for that
	Peers     int        `json:"peers"`          // that may have something of it
}

// Document is a named list of files of which a policy says what is kept.
type Document struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Policy  string `json:"policy"`
	Entries uint64 `json:"entries"`
	Syncing bool   `json:"syncing"`
	// Counted is when the next four were true; never, when they have not been counted yet.
	Counted      time.Time `json:"counted,omitzero"`
	Covered      uint64    `json:"covered"` // files, by the policy
	CoveredBytes uint64    `json:"covered_bytes"`
	Missing      uint64    `json:"missing"` // of these
	MissingBytes uint64    `json:"missing_bytes"`

	Done   uint64    `json:"done"` // fetched since the node began to sync it
	Active int       `json:"active"`
	Failed uint64    `json:"failed"` // in this round
	Next   time.Time `json:"next,omitzero"`
	Error  string    `json:"error,omitempty"` // why it cannot be found what is missing
	Files  []File    `json:"files"`           // that have failed, and under way
	// Unlisted is how many more of these there are.
	Unlisted int `json:"unlisted,omitempty"`
}

// Present is how many files that the policy covers are here.
func (d Document) Present() uint64 { return d.Covered - d.Missing }

// File is a file that is under way or has failed.
type File struct {
	Key   string    `json:"key"`
	State string    `json:"state"` // waiting, paused, active, or failed
	Bytes uint64    `json:"bytes"`
	Size  uint64    `json:"size"`
	Peers []peer.ID `json:"peers"` // that serve it
	Error string    `json:"error,omitempty"`
}

// How much an answer tells. A person gets a thousand files at most, as of wants; a program
// asks on.
const (
	mostDocuments       = 1000
	mostPersonDocuments = 25
	mostDocumentFiles   = 1000
	mostPersonFiles     = 40
)

// downloads is the page of documents.
type downloads struct {
	DownloadPage
	page
}

func (p *pages) downloads(ctx context.Context, q *query, of page) (any, error) {
	asked := DownloadQuery{Text: q.text, After: q.after, Most: mostDocuments, Files: min(q.limit, mostDocumentFiles)}
	if q.html {
		asked.Most, asked.Files = mostPersonDocuments, min(q.limit, mostPersonFiles)
	}
	all, err := p.Downloads.Documents(ctx, asked)
	return downloads{all, of}, err
}

// documents tells of those of which something cannot be fetched.
func (f *findings) documents(all []Document) {
	var failed []Document
	files := uint64(0)
	for _, d := range all {
		if d.Failed > 0 {
			failed = append(failed, d)
			files += d.Failed
		}
	}
	if len(failed) == 0 {
		return
	}
	of := fmt.Sprintf("the document %q", failed[0].Name)
	if len(failed) > 1 {
		of = fmt.Sprintf("%d documents, such as %q,", len(failed), failed[0].Name)
	}
	f.add(warn, "/debug/downloads", "%s of %s cannot be fetched.", plural(int(files), "file"), of)
}
