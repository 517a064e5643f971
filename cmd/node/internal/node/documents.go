package node

import (
	"context"
	"errors"
	"iter"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"

	"github.com/souk-p2p/souk/adapter/dag"
	"github.com/souk-p2p/souk/adapter/dag/roots"
	"github.com/souk-p2p/souk/adapter/unixfs"
	"github.com/souk-p2p/souk/download/document"
	"github.com/souk-p2p/souk/download/policy"
)

// Library is what a node does with documents.
type Library interface {
	// ImportDocument makes a document of the files below a directory, each under its path,
	// and fetches of them no more than that takes. progress may be nil.
	ImportDocument(ctx context.Context, r DocumentRequest, progress func(DocumentProgress)) (document.Info, error)
	// Documents yields all documents.
	Documents(ctx context.Context) iter.Seq2[document.Info, error]
	// FindDocument returns the document of a name or an ID: see [document.Store.Find].
	FindDocument(ctx context.Context, text string) (document.Info, error)
	// Entries yields those of a document, or those whose keys begin with a prefix.
	Entries(ctx context.Context, id document.ID, prefix []byte) iter.Seq2[document.Entry, error]
	// SetPolicy says which entries' data is to be kept.
	SetPolicy(ctx context.Context, id document.ID, p policy.Policy) error
	// Missing yields the entries that the policy covers and whose data is not here, or not
	// all of it.
	Missing(ctx context.Context, id document.ID) iter.Seq2[document.Lack, error]
	// RemoveDocument removes a document, withdraws its namespace, and leaves its data to
	// garbage collection.
	RemoveDocument(ctx context.Context, id document.ID) (document.Info, error)
}

// DocumentRequest says what a document is made of.
type DocumentRequest struct {
	document.Draft        // its root is a directory
	From           Source // where what is missing of the directory is fetched from
}

// DocumentProgress is how far the import of a document has come.
type DocumentProgress struct {
	Entries uint64 `json:"entries"`
}

// LinkMetadata is the metadata of an entry that is a symbolic link. Files have none.
const LinkMetadata = "symlink"

// importDocument is [Library.ImportDocument] for a node that fetches in its way.
func (s *Storage) importDocument(ctx context.Context, r DocumentRequest, fetch func(context.Context, Source) (Fetcher, error), progress func(DocumentProgress)) (done document.Info, err error) {
	if err := document.CheckName(r.Name); err != nil {
		return done, &InvalidError{Err: err}
	}
	from, err := fetch(ctx, r.From)
	if err != nil {
		return done, err
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	defer s.Blocks.Hold()() // what comes now is kept by the document later
	var sum DocumentProgress
	done, err = s.docs.Create(ctx, r.Draft, func(yield func(document.Entry, error) bool) {
		for l, err := range unixfs.Files(ctx, from, r.Root, unixfs.ListOptions{}) {
			if !yield(entryOf(l), err) || err != nil {
				return
			}
			if sum.Entries++; progress != nil {
				progress(sum)
			}
		}
	})
	var there *document.ExistsError
	if errors.As(err, &there) {
		return there.Info, nil
	}
	return done, orFull(err)
}

func entryOf(l unixfs.Link) document.Entry {
	e := document.Entry{Key: []byte(l.Name), CID: l.CID, Size: l.Size}
	if l.Type == unixfs.TypeSymlink {
		e.Metadata = []byte(LinkMetadata)
	}
	return e
}

// Documents implements [Library].
func (s *Storage) Documents(ctx context.Context) iter.Seq2[document.Info, error] {
	return s.docs.List(ctx)
}

// FindDocument implements [Library].
func (s *Storage) FindDocument(ctx context.Context, text string) (document.Info, error) {
	one, err := s.docs.Find(ctx, text)
	var several *document.AmbiguousError
	if errors.As(err, &several) {
		return one, &InvalidError{Err: err}
	}
	return one, err
}

// Entries implements [Library].
func (s *Storage) Entries(ctx context.Context, id document.ID, prefix []byte) iter.Seq2[document.Entry, error] {
	return func(yield func(document.Entry, error) bool) {
		d, err := s.docs.Document(ctx, id)
		if err != nil {
			yield(document.Entry{}, err)
			return
		}
		d.Scan(ctx, prefix, nil)(yield)
	}
}

// SetPolicy implements [Library].
func (s *Storage) SetPolicy(ctx context.Context, id document.ID, p policy.Policy) error {
	return s.docs.SetPolicy(ctx, id, p)
}

// Missing implements [Library].
func (s *Storage) Missing(ctx context.Context, id document.ID) iter.Seq2[document.Lack, error] {
	return func(yield func(document.Lack, error) bool) {
		d, err := s.docs.Document(ctx, id)
		var p policy.Policy
		if err == nil {
			p, err = s.docs.Policy(ctx, id)
		}
		if err != nil {
			yield(document.Lack{}, err)
			return
		}
		document.Missing(ctx, d, p, nil, s.presence)(yield)
	}
}

// RemoveDocument implements [Library].
func (n *Online) RemoveDocument(ctx context.Context, id document.ID) (document.Info, error) {
	return n.removeDocument(ctx, id, n.Withdraw)
}

// RemoveDocument implements [Library].
func (n *Offline) RemoveDocument(ctx context.Context, id document.ID) (document.Info, error) {
	return n.removeDocument(ctx, id, n.Withdraw)
}

// removeDocument is [Library.RemoveDocument] for a node that withdraws in its way.
func (s *Storage) removeDocument(ctx context.Context, id document.ID, withdraw func(ctx context.Context, namespace string) error) (document.Info, error) {
	gone, err := s.docs.Remove(ctx, id)
	if err == nil {
		err = withdraw(ctx, id.Namespace())
	}
	if errors.As(err, new(*NotAnnouncedError)) {
		err = nil
	}
	return gone, err
}

// presence finds how much of a DAG is stored. A block whose links cannot be read counts as
// one without: there is nothing else that could be fetched.
func (s *Storage) presence(ctx context.Context, root cid.Cid) (document.Presence, error) {
	if dag.IsLeaf(root) {
		return s.leaf(ctx, root)
	}
	var absent uint64
	here, err := s.survey(ctx, root, dag.Options{
		Missing:    func(_ cid.Cid, why error) error { absent++; return onlyNotFound(why) },
		Unreadable: func(cid.Cid, error) error { return nil },
	})
	here.Absent = absent
	return here, err
}

// onlyNotFound returns nil for the error that says that something is not there.
func onlyNotFound(err error) error {
	var missing interface{ NotFound() bool }
	if errors.As(err, &missing) && missing.NotFound() {
		return nil
	}
	return err
}

// leaf is the presence of a block without links.
func (s *Storage) leaf(ctx context.Context, c cid.Cid) (document.Presence, error) {
	size, err := s.Blocks.GetSize(ctx, c)
	switch {
	case err == nil:
		return document.Presence{Blocks: 1, Bytes: uint64(size)}, nil
	default:
		return document.Presence{Absent: 1}, onlyNotFound(err)
	}
}

// survey walks what is stored of a DAG, and counts.
func (s *Storage) survey(ctx context.Context, root cid.Cid, o dag.Options) (here document.Presence, err error) {
	o.Stored = s.Blocks.Has
	err = dag.Walk(ctx, dag.Local(s.Blocks.Get), root, o, func(c cid.Cid, b blocks.Block) error {
		here.Blocks++
		if b != nil {
			here.Bytes += uint64(len(b.RawData()))
			return nil
		}
		size, err := s.Blocks.GetSize(ctx, c)
		here.Bytes += uint64(max(size, 0))
		return onlyNotFound(err) // it has just been there
	})
	return here, err
}

// documentRoots are what documents keep: as far as they are here, the DAGs of the entries
// that the policies cover, and the directories, from which others learn of the entries.
type documentRoots struct{ s *Storage }

// Name implements [roots.Source].
func (documentRoots) Name() string { return "document" }

// Roots implements [roots.Source].
func (r documentRoots) Roots(ctx context.Context) iter.Seq2[roots.Root, error] {
	return func(yield func(roots.Root, error) bool) {
		for one, err := range r.s.docs.List(ctx) {
			if err == nil {
				var more bool
				if more, err = r.of(ctx, one, yield); err == nil && !more {
					return
				}
			}
			if errors.Is(err, document.ErrRemoved) {
				continue
			}
			if err != nil {
				yield(roots.Root{}, err)
				return
			}
		}
	}
}

// of yields the roots of one document, and reports whether more are wanted.
func (r documentRoots) of(ctx context.Context, one document.Info, yield func(roots.Root, error) bool) (more bool, err error) {
	d, err := r.s.docs.Document(ctx, one.ID)
	if err != nil {
		return true, onlyNotFound(err)
	}
	files := dag.NewSeen()
	for e, err := range d.Scan(ctx, nil, nil) {
		if err != nil {
			return false, err
		}
		files.Add(e.CID)
		if one.Policy.Covers(e.Key) && !yield(roots.Root{CID: e.CID, Kind: roots.Partial, Name: one.Name}, nil) {
			return false, nil
		}
	}
	return r.directories(ctx, one, files, yield)
}

var errEnough = errors.New("no more is wanted")

// directories yields what is above the files of a document.
func (r documentRoots) directories(ctx context.Context, one document.Info, files dag.Seen, yield func(roots.Root, error) bool) (more bool, err error) {
	o := dag.Options{
		Seen:       files,
		Missing:    func(_ cid.Cid, why error) error { return onlyNotFound(why) },
		Unreadable: func(cid.Cid, error) error { return nil },
	}
	err = dag.Walk(ctx, dag.Local(r.s.Blocks.Get), one.Root, o, func(c cid.Cid, _ blocks.Block) error {
		if !yield(roots.Root{CID: c, Kind: roots.Direct, Name: one.Name}, nil) {
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		return false, nil
	}
	return true, err
}
