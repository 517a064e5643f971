package debug

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"
)

// Documents implements [DownloadSource].
func (s *source) Documents(_ context.Context, q DownloadQuery) (DownloadPage, error) {
	s.askedDocuments = q
	all := make([]Document, len(s.documents))
	for i, d := range s.documents {
		d.Files = d.Files[:min(q.Files, len(d.Files))]
		all[i] = d
	}
	return DownloadPage{Documents: all, Next: s.documentsNext, Transfers: 12, Waiting: 321, Connected: 3, Peers: 4}, s.documentsErr
}

// syncingNode returns a node with a document of which a file comes and one fails, and with
// one that has not been counted yet.
func syncingNode() *source {
	const of = "b14ef9059187eadfff7e66daaaa81e764d321627f4948bc0c6a7ed427df9f497"
	return &source{documents: []Document{
		{
			ID: of, Name: "<i>photos</i>", Policy: "nothing-except prefix:utf8:2024/", Entries: 1_000_000, Syncing: true, Counted: noon,
			Covered: 4321, CoveredBytes: 5 << 30, Missing: 321, MissingBytes: 3 << 20, Done: 77, Active: 1, Failed: 2, Next: noon.Add(time.Minute), Unlisted: 37,
			Files: []File{
				{Key: "2024/a.jpg", State: "active", Bytes: 1 << 20, Size: 2 << 20, Peers: []peer.ID{id("a")}},
				{Key: "2024/<b>", State: "failed", Size: 10, Error: "no node <has> got it"},
			},
		},
		{ID: of, Name: "new", Policy: "everything", Entries: 3, Files: []File{}, Error: "the disk <has> gone"},
	}}
}

func TestDocumentsForPeopleAndPrograms(t *testing.T) {
	src := syncingNode()
	text := get(t, src, "/debug/downloads", browser).Body.String()
	for _, want := range []string{
		"&lt;i&gt;photos&lt;/i&gt;", "nothing-except prefix:utf8:2024/", "4\u202f321", "4\u202f000", "321", "77", "2024/a.jpg", "1.00 MiB",
		"2024/&lt;b&gt;", "no node &lt;has&gt; got it", "Nothing is under way",
	} {
		require.Contains(t, text, want)
	}
	var got downloads
	decode(t, get(t, src, "/debug/downloads", ""), &got)
	require.Equal(t, src.documents, got.Documents)
	decode(t, get(t, src, "/debug/downloads?limit=1", ""), &got)
	require.Len(t, got.Documents[0].Files, 1)
	for _, want := range []string{"tried again", "12:01:00", "counted", "37 more files", "not synced", "cannot be found: the disk &lt;has&gt; gone"} {
		require.Contains(t, text, want)
	}
	require.Contains(t, get(t, &source{}, "/debug/downloads", browser).Body.String(), "No documents")
	src.documentsErr = errors.New("the disk does not answer")
	require.Contains(t, get(t, src, "/debug/downloads", "").Body.String(), "the disk does not answer")
}

func TestDocumentsComePageByPage(t *testing.T) {
	src := syncingNode()
	src.documentsNext = src.documents[0].ID
	text := get(t, src, "/debug/downloads?q=pho&after=b14e", browser).Body.String()
	require.Equal(t, DownloadQuery{Text: "pho", After: "b14e", Most: mostPersonDocuments, Files: mostPersonFiles}, src.askedDocuments)
	require.Contains(t, text, `href="?after=`+src.documentsNext+`&amp;q=pho" rel="next"`)
	var got downloads
	decode(t, get(t, src, "/debug/downloads", ""), &got)
	require.Equal(t, DownloadQuery{Most: mostDocuments, Files: mostDocumentFiles}, src.askedDocuments)
	require.Equal(t, src.documentsNext, got.Next)
	require.Equal(t, 12, got.Transfers)
}

// However many documents fail, that is one line.
func TestTheFirstPageSaysWhatCannotBeFetched(t *testing.T) {
	src := syncingNode()
	require.Contains(t, get(t, src, "/debug/", browser).Body.String(), "2 files of the document")
	require.Zero(t, src.askedDocuments.Files, "so that nothing is counted for it")
	src.documents[1].Failed = 3
	require.Contains(t, get(t, src, "/debug/", browser).Body.String(), "5 files of 2 documents, such as")
}
