package document

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"iter"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/ipfs/go-cid"
)

// What an entry and a document may be. Entries may come from others, and a part of a list
// is held in memory.
const (
	MaxKey      = 1024    // bytes; paths below a directory are shorter, mostly by far
	MaxMetadata = 4 << 10 // bytes
	MaxCID      = 168     // bytes; that of Bitswap's messages
	MaxName     = 255     // bytes; that of a pin
)

// ID is a document's: the SHA-256 of its root CID and its name.
type ID [sha256.Size]byte

// IDOf returns the ID of the document that is made from a DAG under a name.
func IDOf(root cid.Cid, name string) (id ID) {
	h := sha256.New()
	h.Write(root.Bytes()) // ends where the CID says, so that no name can seem to be a part of it
	h.Write([]byte(name))
	h.Sum(id[:0])
	return id
}

// String returns the ID as 64 lower-case hexadecimal digits.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// Namespace is what peers that hold some of the document are found under.
func (id ID) Namespace() string { return "doc/" + id.String() }

// MarshalText implements [encoding.TextMarshaler].
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (id *ID) UnmarshalText(text []byte) error {
	b, err := hex.DecodeString(string(text))
	if err != nil || len(b) != len(id) {
		return fmt.Errorf("document ID %.80q: %d hexadecimal digits are right", text, 2*len(id))
	}
	copy(id[:], b)
	return nil
}

// Entry is one of a document. Its key, of 1 to [MaxKey] bytes, is that of no other.
type Entry struct {
	Key      []byte
	CID      cid.Cid // of the root of the DAG
	Size     uint64  // bytes of what the DAG stands for, as its author says
	Metadata []byte  // at most MaxMetadata bytes, for whoever made the document
}

// Check returns an error that names the entry and what is wrong with it.
func (e *Entry) Check() error {
	switch {
	case len(e.Key) == 0 || len(e.Key) > MaxKey:
		return fmt.Errorf("entry %.40q…: a key of %d bytes, and 1 to %d are right", e.Key, len(e.Key), MaxKey)
	case !e.CID.Defined() || e.CID.ByteLen() > MaxCID:
		return fmt.Errorf("entry %.40q: a CID of %d bytes, and 1 to %d are right", e.Key, e.CID.ByteLen(), MaxCID)
	case len(e.Metadata) > MaxMetadata:
		return fmt.Errorf("entry %.40q: metadata of %d bytes, and at most %d are right", e.Key, len(e.Metadata), MaxMetadata)
	}
	return nil
}

// CheckName returns an error for what cannot be the name of a document.
func CheckName(name string) error {
	if name == "" || len(name) > MaxName {
		return fmt.Errorf("document name of %d bytes: 1 to %d are right", len(name), MaxName)
	}
	if !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl) {
		return fmt.Errorf("document name %q: UTF-8 without control characters is right", name)
	}
	return nil
}

// Document is a collection of entries. Its methods may be called by many goroutines.
type Document interface {
	// ID returns what the document is known by.
	ID() ID
	// Scan yields the entries whose keys begin with a prefix and are not below from, in the
	// order of their keys. Both may be empty. It reads no more than what it yields and about
	// a page besides, and may be ended at any time. An error is yielded last: that of the
	// store or of ctx, or [ErrRemoved] when the document was removed meanwhile. What an entry
	// holds must not be changed.
	Scan(ctx context.Context, prefix, from []byte) iter.Seq2[Entry, error]
	// Watch delivers what changes in the document from now on, in order. The channel is
	// closed when ctx ends, when the document is removed, and when its reader is too far
	// behind: who still wants to know scans again.
	Watch(ctx context.Context) (<-chan Change, error)
}

// Change is an entry that was put into a document, in place of one with the same key, or
// that was removed from it.
type Change struct {
	Entry   Entry
	Removed bool
}
