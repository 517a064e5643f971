package blockstore

import (
	"fmt"

	"github.com/ipfs/go-cid"
)

// NotFoundError reports that no block is stored for a CID.
type NotFoundError struct {
	CID cid.Cid // as asked; may be undefined
}

// Error implements error.
func (e *NotFoundError) Error() string {
	return fmt.Sprintf("blockstore: block %s not found", nameOf(e.CID))
}

// NotFound returns true. It is how callers tell "not there" from "cannot say"
// without importing this package.
func (e *NotFoundError) NotFound() bool { return true }

// Is reports whether target means "not found" as well, by whatever type: IPLD
// libraries ask with errors.Is and a value of their own.
func (e *NotFoundError) Is(target error) bool {
	t, ok := target.(interface{ NotFound() bool })
	return ok && t.NotFound()
}

// CorruptError reports that the bytes stored for a CID do not hash to it. Put
// the right block, or Delete this one.
type CorruptError struct {
	CID  cid.Cid
	Size int // bytes that are stored
}

// Error implements error.
func (e *CorruptError) Error() string {
	return fmt.Sprintf("blockstore: the %d bytes stored for %s do not hash to it", e.Size, e.CID)
}

// TooLargeError reports that a block is above [MaxBlock] and was not stored.
type TooLargeError struct {
	CID  cid.Cid
	Size int // bytes
}

// Error implements error.
func (e *TooLargeError) Error() string {
	return fmt.Sprintf("blockstore: block %s has %d bytes, above the limit of %d", e.CID, e.Size, MaxBlock)
}

// failed wraps an error of the datastore with what was being done.
func failed(verb string, c cid.Cid, err error) error {
	return fmt.Errorf("blockstore: %s %s: %w", verb, nameOf(c), err)
}

func nameOf(c cid.Cid) string {
	if !c.Defined() {
		return "(undefined CID)"
	}
	return c.String()
}
