package unixfs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/ipfs/go-cid"
)

// Cat writes the content of a file to out, in order, or the range of it that
// the options select: only the blocks of the range are fetched. It blocks while
// out does. What was written before an error is right but incomplete.
func Cat(ctx context.Context, get Getter, file cid.Cid, out io.Writer, o CatOptions) error {
	r := walkOptions{window: o.Window, from: o.Offset, to: math.MaxUint64}
	if o.Length > 0 && o.Length < math.MaxUint64-o.Offset {
		r.to = o.Offset + o.Length
	}
	w := newWalker(ctx, get, file, r)
	defer w.close()
	for {
		s, err := w.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		switch s.kind {
		case cellBegin:
			if s.entry.typ != TypeFile {
				return w.fail(s.entry, fmt.Errorf("%w but a %s", ErrNotFile, s.entry.typ))
			}
		case cellData:
			if _, err := out.Write(r.trim(s)); err != nil {
				return w.fail(s.entry, fmt.Errorf("write: %w", err))
			}
		}
	}
}

// trim cuts the data of a step to the range.
func (o walkOptions) trim(s step) []byte {
	data := s.data
	if end := s.offset + uint64(len(data)); end > o.to {
		data = data[:uint64(len(data))-(end-o.to)]
	}
	if s.offset < o.from {
		data = data[o.from-s.offset:]
	}
	return data
}
