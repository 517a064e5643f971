package node

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/debug"
	"github.com/souk-p2p/souk/download/document"
)

// library is a node with so many documents of which nothing is here, each of so many files.
func library(t *testing.T, documents, files int) documentsPage {
	t.Helper()
	n := syncer(t, inMemory(t))
	bs := numberedBlocks(documents * files)
	for d := range documents {
		_, err := n.docs.Create(t.Context(), document.Draft{Name: fmt.Sprint("part ", d), Root: bs[d].Cid()}, func(yield func(document.Entry, error) bool) {
			for f := range files {
				if !yield(document.Entry{Key: fmt.Appendf(nil, "%06d", f), CID: bs[d*files+f].Cid(), Size: 10}, nil) {
					return
				}
			}
		})
		require.NoError(t, err)
	}
	return documentsPage{n}
}

func TestDocumentsAreShownPageByPage(t *testing.T) {
	p := library(t, 25, 1)
	var ids []string
	q := debug.DownloadQuery{Most: 10}
	for pages := 1; ; pages++ {
		page, err := p.Documents(t.Context(), q)
		require.NoError(t, err)
		for _, d := range page.Documents {
			require.Zero(t, d.Counted)
			ids = append(ids, d.ID)
		}
		if q.After = page.Next; q.After == "" {
			require.Equal(t, 3, pages)
			break
		}
	}
	require.Len(t, ids, 25)
	require.IsIncreasing(t, ids)
	some, err := p.Documents(t.Context(), debug.DownloadQuery{Most: 10, Text: "part 2"})
	require.NoError(t, err)
	require.Len(t, some.Documents, 6)
	one, err := p.Documents(t.Context(), debug.DownloadQuery{Most: 10, Text: ids[3]})
	require.NoError(t, err)
	require.Len(t, one.Documents, 1)
}

// Each document of a page is counted some time, however many there are before it.
func TestDocumentsAreCountedInTurn(t *testing.T) {
	p := library(t, 25, 1)
	require.Eventually(t, func() bool {
		page, err := p.Documents(t.Context(), debug.DownloadQuery{Most: 100, Files: 1})
		for _, d := range page.Documents {
			if err != nil || d.Counted.IsZero() || d.Missing != 1 {
				return false
			}
		}
		return true
	}, time.Minute, 10*time.Millisecond)
}

// However many files are under way, a page has a part of them, and says how many more.
func TestAPageHasFewFilesOfManyDocuments(t *testing.T) {
	p := library(t, 3, 100)
	for one, err := range p.node.docs.List(t.Context()) {
		require.NoError(t, err)
		require.NoError(t, p.node.mirror.Sync(t.Context(), one.ID))
	}
	var page debug.DownloadPage
	require.Eventually(t, func() bool {
		var err error
		page, err = p.Documents(t.Context(), debug.DownloadQuery{Most: 10, Files: 7})
		return err == nil && !slices.ContainsFunc(page.Documents, func(d debug.Document) bool { return d.Active < 100 })
	}, time.Minute, 10*time.Millisecond)
	for _, d := range page.Documents {
		require.Len(t, d.Files, 7)
		require.Equal(t, 93, d.Unlisted)
	}
}
