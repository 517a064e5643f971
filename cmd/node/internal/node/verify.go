package node

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/ipfs/go-datastore"

	"github.com/souk-p2p/souk/blockstore"
)

// VerifyRequest says how what is stored is verified.
type VerifyRequest struct {
	Quarantine bool  `json:"quarantine,omitempty"` // put aside what is broken
	Restart    bool  `json:"restart,omitempty"`    // do not go on where the last one ended
	Rate       int64 `json:"rate,omitempty"`       // bytes a second that are read at most; 0 is no limit
}

// VerifyProgress is how far it has come.
type VerifyProgress struct {
	Blocks int64 `json:"blocks"`
	Bytes  int64 `json:"bytes"`
	Broken int64 `json:"broken"`
}

// VerifyResult is what was found.
type VerifyResult struct {
	VerifyProgress
	Resumed bool    `json:"resumed"` // it went on where one ended that was interrupted
	Seconds float64 `json:"seconds"`
}

// BrokenBlock is a block whose bytes are not what they were, or cannot be read.
type BrokenBlock struct {
	CID         cid.Cid `json:"cid"` // version 1, codec raw
	Reason      string  `json:"reason"`
	Quarantined bool    `json:"quarantined"`
}

var (
	verifyCursor = datastore.NewKey("/verify/cursor")
	quarantine   = datastore.NewKey("/quarantine")
)

// cursorEvery is how often it is noted how far the work has come.
const cursorEvery = 5 * time.Second

// verification is one under way.
type verification struct {
	s        *Storage
	r        VerifyRequest
	progress func(VerifyProgress)
	broken   func(BrokenBlock)
	done     VerifyResult
	begin    time.Time
	noted    time.Time
	last     []byte // multihash of the last block that was looked at
}

// Verify implements [Keeper].
func (s *Storage) Verify(ctx context.Context, r VerifyRequest, progress func(VerifyProgress), broken func(BrokenBlock)) (VerifyResult, error) {
	now := time.Now()
	v := verification{s: s, r: r, progress: progress, broken: broken, begin: now, noted: now}
	err := v.run(ctx)
	v.done.Seconds = time.Since(now).Seconds()
	return v.done, err
}

func (v *verification) run(ctx context.Context) error {
	after, err := v.resume(ctx)
	if err != nil {
		return err
	}
	for b, err := range blockstore.AllSizes(ctx, v.s.Blocks) {
		if err != nil {
			return errors.Join(err, v.note(ctx))
		}
		if after != nil { // the order is the same every time
			if bytes.Equal(b.CID.Hash(), after) {
				after = nil
			}
			continue
		}
		if err := v.look(ctx, b); err != nil {
			return errors.Join(err, v.note(ctx))
		}
	}
	if after != nil { // the block where the last one ended is gone
		v.r.Restart = true
		return v.run(ctx)
	}
	return v.s.data.Delete(ctx, verifyCursor)
}

// resume returns the multihash after which to go on, or nil for the begin.
func (v *verification) resume(ctx context.Context) ([]byte, error) {
	v.done.Resumed = false
	if v.r.Restart {
		return nil, nil
	}
	after, err := v.s.data.Get(ctx, verifyCursor)
	if errors.Is(err, datastore.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read how far the last verify came: %w", err)
	}
	v.done.Resumed = true
	return after, nil
}

// note writes how far the work has come, also when it was interrupted.
func (v *verification) note(ctx context.Context) error {
	if v.last == nil {
		return nil
	}
	v.noted = time.Now()
	return v.s.data.Put(context.WithoutCancel(ctx), verifyCursor, v.last)
}

func (v *verification) look(ctx context.Context, b blockstore.Sized) error {
	if err := v.pace(ctx); err != nil {
		return err
	}
	var data []byte
	err := v.s.Blocks.View(ctx, b.CID, func(lent []byte) error {
		data = bytes.Clone(lent)
		return nil
	})
	var missing *blockstore.NotFoundError
	switch {
	case errors.As(err, &missing):
		return nil // removed meanwhile
	case context.Cause(ctx) != nil:
		return context.Cause(ctx)
	case refused(err):
		return fmt.Errorf("verify block %s: %w", b.CID, err)
	case err == nil:
		err = check(b.CID, data)
	}
	if err != nil {
		if err := v.found(ctx, b.CID, data, err); err != nil {
			return err
		}
	}
	v.last = b.CID.Hash()
	v.done.Blocks++
	v.done.Bytes += int64(b.Size)
	if v.progress != nil {
		v.progress(v.done.VerifyProgress)
	}
	if time.Since(v.noted) >= cursorEvery {
		return v.note(ctx)
	}
	return nil
}

// refused reports whether a read has failed for what says nothing of the block: who may
// read it, or what this process may have open. Who put such blocks aside would lose good
// ones.
func refused(err error) bool {
	if errors.Is(err, fs.ErrPermission) {
		return true
	}
	var number syscall.Errno
	return errors.As(err, &number) && (number == syscall.EMFILE || number == syscall.ENFILE || number == syscall.ENOMEM)
}

// check hashes a block.
func check(c cid.Cid, data []byte) error {
	sum, err := c.Prefix().Sum(data)
	if err == nil && !bytes.Equal(sum.Hash(), c.Hash()) {
		err = &blockstore.CorruptError{CID: c, Size: len(data)}
	}
	return err
}

// pace waits until as much may be read as was.
func (v *verification) pace(ctx context.Context) error {
	if v.r.Rate <= 0 {
		return context.Cause(ctx)
	}
	ahead := time.Duration(float64(v.done.Bytes)/float64(v.r.Rate)*float64(time.Second)) - time.Since(v.begin)
	if ahead <= 0 {
		return context.Cause(ctx)
	}
	select {
	case <-time.After(ahead):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// quarantined is what is kept of a block that was put aside.
type quarantined struct {
	CID    cid.Cid   `json:"cid"`
	Reason string    `json:"reason"`
	Time   time.Time `json:"time"`
	Data   []byte    `json:"data,omitempty"` // if it could be read
}

// found tells of a broken block and puts it aside, if it is to be.
func (v *verification) found(ctx context.Context, c cid.Cid, data []byte, why error) error {
	v.done.Broken++
	one := BrokenBlock{CID: c, Reason: why.Error(), Quarantined: v.r.Quarantine}
	if v.r.Quarantine {
		if err := v.putAside(ctx, quarantined{CID: c, Reason: one.Reason, Time: time.Now().UTC(), Data: data}); err != nil {
			return fmt.Errorf("put block %s aside: %w", c, err)
		}
	}
	if v.broken != nil {
		v.broken(one)
	}
	return nil
}

func (v *verification) putAside(ctx context.Context, q quarantined) error {
	value, err := json.Marshal(q)
	if err == nil {
		err = v.s.data.Put(ctx, quarantine.ChildString(q.CID.String()), value)
	}
	if err == nil {
		err = v.s.data.Sync(ctx, quarantine)
	}
	if err == nil {
		err = v.s.Blocks.Delete(ctx, q.CID)
	}
	return err
}
