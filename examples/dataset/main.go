// Dataset keeps a part of a collection of files. Two nodes in one process: an author serves
// a directory, and a reader makes a document of it, of which a policy says what is fetched,
// and is told by events how that goes.
//
//	go run ./examples/dataset
package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/ipfs/go-datastore"
	dssync "github.com/ipfs/go-datastore/sync"
	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk"
	"github.com/souk-p2p/souk/adapter/dag"
	"github.com/souk-p2p/souk/adapter/unixfs"
	"github.com/souk-p2p/souk/blockstore"
	"github.com/souk-p2p/souk/download"
	"github.com/souk-p2p/souk/download/document"
	"github.com/souk-p2p/souk/download/policy"
	"github.com/souk-p2p/souk/session"
)

// files are the dataset.
var files = map[string]string{
	"2023/prices.csv": "saffron,9\n", "2024/prices.csv": "saffron,11\n", "2024/stock.csv": "saffron,3\n", "notes.txt": "dry, dark, cool\n",
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := run(ctx); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) (err error) {
	author, err := start(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, author.close()) }()
	root, err := author.publish(ctx)
	if err != nil {
		return err
	}
	reader, err := start(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, reader.close()) }()
	return reader.keep(ctx, root, "2024/", peer.AddrInfo{ID: author.host.ID(), Addrs: author.host.Addrs()})
}

// keep fetches the files of a dataset whose paths begin with a prefix.
func (n *node) keep(ctx context.Context, root cid.Cid, prefix string, author peer.AddrInfo) (err error) {
	docs := document.NewStore(n.data)
	defer func() { err = errors.Join(err, docs.Close(ctx)) }()
	one, err := n.list(ctx, docs, root, prefix, author)
	if err != nil {
		return err
	}
	came := make(chan download.Event, one.Entries)
	d, err := download.Open(ctx, n.exchange, download.Config{
		Store: n.store, Links: dag.Links, Leaf: dag.IsLeaf,
		Listener: download.EventListener{ // Called one at a time, in a goroutine of the downloads.
			Retry:  func(e download.Event) { log.Printf("%s: %s %s: %v", e.CID, e.Node, e.Reason, e.Err) },
			Failed: func(e download.Event) { log.Print(e.Err) },
			Done:   func(e download.Event) { came <- e },
		},
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()

	// The author is asked for whatever belongs to the document, now and later.
	group := []download.Group{download.Group(one.ID.Namespace())}
	if err := d.Hint(ctx, author, download.NodeHints{Groups: group}); err != nil {
		return err
	}
	list, err := docs.Document(ctx, one.ID)
	if err != nil {
		return err
	}
	for e, err := range document.Covered(ctx, list, one.Policy, nil) {
		if err != nil {
			return err
		}
		// One after the other here; a goroutine for each has them come together.
		if err := d.Download(ctx, e.CID, download.Request{Groups: group, Size: e.Size}); err != nil {
			return err
		}
		fmt.Printf("%s, %d bytes\n", e.Key, (<-came).Bytes)
	}
	stat := d.Stat()
	fmt.Printf("%d of %d files kept, %d retries\n", stat.Done, one.Entries, stat.Retries)
	return nil
}

// list makes a document of a directory, of which it fetches the list.
func (n *node) list(ctx context.Context, docs *document.Store, root cid.Cid, prefix string, from peer.AddrInfo) (document.Info, error) {
	if err := n.host.Connect(ctx, from); err != nil {
		return document.Info{}, err
	}
	only, err := policy.NothingExcept(policy.Prefix([]byte(prefix)))
	if err != nil {
		return document.Info{}, err
	}
	s := n.exchange.NewSession(ctx, session.WithPeers(from.ID))
	return docs.Create(ctx, document.Draft{Name: "spices", Root: root, Policy: only}, entries(unixfs.Files(ctx, s, root, unixfs.ListOptions{})))
}

// entries are files as entries of a document.
func entries(files iter.Seq2[unixfs.Link, error]) iter.Seq2[document.Entry, error] {
	return func(yield func(document.Entry, error) bool) {
		for f, err := range files {
			if !yield(document.Entry{Key: []byte(f.Name), CID: f.CID, Size: f.Size}, err) {
				return
			}
		}
	}
}

// node is a host with an exchange on it, and a place for blocks and documents.
type node struct {
	host     host.Host
	exchange *souk.Exchange
	data     datastore.Batching
	store    blockstore.Blockstore
}

func start(ctx context.Context) (*node, error) {
	h, err := libp2p.New(libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"))
	if err != nil {
		return nil, err
	}
	data := dssync.MutexWrap(datastore.NewMapDatastore())
	store := blockstore.New(data)
	x, err := souk.New(ctx, h, store)
	if err != nil {
		return nil, errors.Join(err, h.Close())
	}
	return &node{h, x, data, store}, nil
}

// publish stores the dataset and returns its root.
func (n *node) publish(ctx context.Context) (root cid.Cid, err error) {
	dir, err := os.MkdirTemp("", "dataset")
	if err != nil {
		return root, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	for path, content := range files {
		path = filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return root, err
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			return root, err
		}
	}
	sum, err := unixfs.Add(ctx, n.store, dir, unixfs.AddOptions{})
	return sum.CID, err
}

// close ends the exchange before the host.
func (n *node) close() error { return errors.Join(n.exchange.Close(), n.host.Close()) }
