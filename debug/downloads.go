package debug

import (
	"context"
	"net/http"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// DownloadSource tells of documents, and of what is fetched of them.
type DownloadSource interface {
	// Documents returns those that there are, with at most so many files each. It does not
	// wait until what is missing was counted.
	Documents(ctx context.Context, files int) ([]Document, error)
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
	Files  []File    `json:"files"` // under way, and some that have failed
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

// mostDownloads is how many files of a document an answer has: as many as of wants.
const mostDownloads = 1000

// downloads is the page of documents.
type downloads struct {
	Documents []Document `json:"documents"`
	page
}

func (p *pages) downloads(ctx context.Context, q *query, _ *http.Request) (answer, error) {
	if p.Downloads == nil {
		return p.silent(q, "downloads", "Downloads")
	}
	all, err := p.Downloads.Documents(ctx, min(q.limit, mostDownloads))
	d := downloads{Documents: all, page: p.page(q, "downloads", "Downloads")}
	return answer{name: "downloads.html", html: d, json: d}, err
}

// documents tells of those of which something cannot be fetched.
func (f *findings) documents(all []Document) {
	for _, d := range all {
		if d.Failed > 0 {
			f.add(warn, "/debug/downloads", "%s of the document %q cannot be fetched.", plural(int(d.Failed), "file"), d.Name)
		}
	}
}
