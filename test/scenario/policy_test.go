package scenario

import (
	"context"
	"strings"
	"testing"
	"time"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/adapter/dag"
	"github.com/souk-p2p/souk/download"
	"github.com/souk-p2p/souk/download/document"
	"github.com/souk-p2p/souk/download/mirror"
	"github.com/souk-p2p/souk/download/policy"
	"github.com/souk-p2p/souk/test/internal/exchanges"
	"github.com/souk-p2p/souk/test/sim"
)

// replica is a node that syncs a document.
type replica struct {
	*sim.Node
	docs *document.Store
	id   document.ID
	m    *mirror.Mirror
}

// newReplica gives a node of ours the list of a document, and lets it ask others of the
// document's group.
func newReplica(t require.TestingT, n *sim.Node, data map[string][]blocks.Block, others ...*sim.Node) *replica {
	ctx := context.Background()
	r := &replica{Node: n, docs: document.NewStore(exchanges.Memory())}
	one, err := r.docs.Create(ctx, document.Draft{Name: "dataset", Root: data["a/1"][0].Cid()}, func(yield func(document.Entry, error) bool) {
		for _, key := range keys {
			if !yield(document.Entry{Key: []byte(key), CID: data[key][0].Cid()}, nil) {
				return
			}
		}
	})
	require.NoError(t, err)
	r.id = one.ID
	group := []download.Group{download.Group(one.ID.Namespace())}
	d := downloads(t, n, download.Limits{})
	for _, o := range others {
		require.NoError(t, d.Hint(ctx, from(o).From[0], download.NodeHints{Groups: group}))
	}
	r.m = mirror.New(mirror.Config{
		Documents: r.docs, Look: r.look,
		Fetch: func(ctx context.Context, _ document.ID, e document.Entry, _ func(uint64)) error {
			return d.Download(ctx, e.CID, download.Request{Groups: group})
		},
	})
	return r
}

// keys are those of the document, in order.
var keys = []string{"a/1", "a/2", "b/1", "b/2", "c/1", "c/2"}

func dataset() map[string][]blocks.Block {
	data := map[string][]blocks.Block{}
	for i, key := range keys {
		data[key] = tree(uint64(i), 10, 16*kib)
	}
	return data
}

func (r *replica) close(t require.TestingT) {
	r.m.Close()
	require.NoError(t, r.docs.Close(context.Background()))
}

func (r *replica) look(ctx context.Context, root cid.Cid) (p document.Presence, err error) {
	o := dag.Options{Missing: func(cid.Cid, error) error { p.Absent++; return nil }}
	err = dag.Walk(ctx, dag.Local(r.Exchange.(*exchanges.Souk).Store.Get), root, o, func(_ cid.Cid, b blocks.Block) error {
		p.Blocks, p.Bytes = p.Blocks+1, p.Bytes+uint64(len(b.RawData()))
		return nil
	})
	return p, err
}

// follow sets a policy, and waits until all that it covers is here.
func (r *replica) follow(t require.TestingT, text string) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	p, err := policy.Parse(strings.Fields(text)...)
	require.NoError(t, err)
	require.NoError(t, r.docs.SetPolicy(ctx, r.id, p))
	require.NoError(t, r.m.Sync(ctx, r.id))
	require.NoError(t, r.m.Wait(ctx, r.id))
}

// has are the keys of which all is here.
func (r *replica) has(t require.TestingT, data map[string][]blocks.Block) (here []string) {
	for _, key := range keys {
		p, err := r.look(context.Background(), data[key][0].Cid())
		require.NoError(t, err)
		if p.Complete() {
			here = append(here, key)
		} else {
			require.Zero(t, p.Blocks, "nothing is fetched of %s", key)
		}
	}
	return here
}

func TestAPolicySaysWhatIsDownloadedOfADocument(t *testing.T) {
	for _, c := range []struct {
		policy string
		here   []string
	}{
		{"everything", keys},
		{"nothing", nil},
		{"everything-except prefix:utf8:a/ exact:utf8:b/1", keys[3:]},
		{"nothing-except exact:utf8:c/2", keys[5:]},
	} {
		t.Run(c.policy, func(t *testing.T) {
			data := dataset()
			play(t, func(w *sim.World) {
				author, client := w.Node(souk, lan), w.Node(souk, lan)
				for _, key := range keys {
					w.Put(author, data[key]...)
				}
				w.Check(func(t require.TestingT) {
					r := newReplica(t, client, data, author)
					defer r.close(t)
					r.follow(t, c.policy)
					require.Equal(t, c.here, r.has(t, data))
					listed := 0
					d, err := r.docs.Document(context.Background(), r.id)
					require.NoError(t, err)
					for _, err := range d.Scan(context.Background(), nil, nil) {
						require.NoError(t, err)
						listed++
					}
					require.Equal(t, len(keys), listed, "the list is always here")
				})
			})
		})
	}
}

// A policy that is widened fetches what it covers now, also from who is no author; one
// that is narrowed ends what it covers no more.
func TestAPolicyIsWidenedAndNarrowedLater(t *testing.T) {
	data := dataset()
	play(t, func(w *sim.World) {
		author, second, client := w.Node(souk, lan), w.Node(souk, lan), w.Node(souk, lan)
		for _, key := range keys {
			w.Put(author, data[key]...)
		}
		w.Check(func(t require.TestingT) {
			full := newReplica(t, second, data, author)
			full.follow(t, "everything")
			full.close(t)
			r := newReplica(t, client, data, author, second)
			defer r.close(t)
			r.follow(t, "nothing-except prefix:utf8:a/")
			require.Equal(t, keys[:2], r.has(t, data))

			require.NoError(t, author.Exchange.Close())
			w.Cut(author)
			r.follow(t, "nothing-except prefix:utf8:a/ prefix:utf8:b/")
			require.Equal(t, keys[:4], r.has(t, data))

			w.Cut(second)
			p, err := policy.Parse("everything")
			require.NoError(t, err)
			require.NoError(t, r.docs.SetPolicy(context.Background(), r.id, p))
			w.Pass(5 * time.Second)
			require.NotEmpty(t, r.m.Status(r.id).Active, "nobody is there")
			r.follow(t, "nothing-except prefix:utf8:a/")
			require.Empty(t, r.m.Status(r.id).Active)
			require.Equal(t, keys[:4], r.has(t, data), "what has come stays")
		})
	})
}
