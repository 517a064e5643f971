package car

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	carv2 "github.com/ipld/go-car/v2"
	"github.com/ipld/go-car/v2/index"
	"github.com/ipld/go-ipld-prime/codec/dagcbor"
	"github.com/ipld/go-ipld-prime/datamodel"
	"github.com/ipld/go-ipld-prime/fluent/qp"
	cidlink "github.com/ipld/go-ipld-prime/linking/cid"
	"github.com/ipld/go-ipld-prime/node/basicnode"
	"github.com/multiformats/go-multicodec"

	"github.com/souk-p2p/souk/adapter/dag"
)

// ExportOptions tune an export. The zero value is ready to use.
type ExportOptions struct {
	// Partial leaves out what cannot be had, which is an error otherwise.
	Partial bool
	// Progress, if set, is told after each block.
	Progress func(Exported)
}

// Exported is what was written.
type Exported struct {
	Blocks  int64 `json:"blocks"`
	Bytes   int64 `json:"bytes"`   // of blocks
	Missing int64 `json:"missing"` // blocks that were left out of a partial export
}

// Export writes everything below the roots as version 1. The writer is not flushed.
func Export(ctx context.Context, get dag.Getter, roots []cid.Cid, to io.Writer, o ExportOptions) (Exported, error) {
	w := writer{to: to, o: o}
	err := w.payload(ctx, get, roots)
	return w.done, err
}

// ExportIndexed writes version 2, with an index of the blocks, to an empty file.
func ExportIndexed(ctx context.Context, get dag.Getter, roots []cid.Cid, to io.WriteSeeker, o ExportOptions) (Exported, error) {
	w := writer{to: to, o: o, indexed: true}
	if _, err := to.Seek(carv2.PragmaSize+carv2.HeaderSize, io.SeekStart); err != nil {
		return w.done, fmt.Errorf("car: %w", err)
	}
	if err := w.payload(ctx, get, roots); err != nil {
		return w.done, err
	}
	if err := w.index(); err != nil {
		return w.done, fmt.Errorf("car: write the index: %w", err)
	}
	if err := w.header(to); err != nil {
		return w.done, fmt.Errorf("car: write the header: %w", err)
	}
	return w.done, nil
}

// writer is one export under way.
type writer struct {
	to      io.Writer
	o       ExportOptions
	done    Exported
	offset  uint64 // in the payload
	indexed bool
	records []index.Record
	scratch [2 * binary.MaxVarintLen64]byte
}

func (w *writer) payload(ctx context.Context, get dag.Getter, roots []cid.Cid) error {
	if err := w.begin(roots); err != nil {
		return err
	}
	o := dag.Options{Seen: dag.NewSeen()}
	if w.o.Partial {
		o.Missing = func(_ cid.Cid, why error) error {
			if !isMissing(why) {
				return why
			}
			w.done.Missing++
			return nil
		}
	}
	for _, root := range roots {
		if err := dag.Walk(ctx, get, root, o, w.block); err != nil {
			return err
		}
	}
	return nil
}

func isMissing(err error) bool {
	var missing interface{ NotFound() bool }
	return errors.As(err, &missing) && missing.NotFound()
}

// begin writes the header of the payload, in dag-cbor.
func (w *writer) begin(roots []cid.Cid) error {
	n, err := qp.BuildMap(basicnode.Prototype.Any, 2, func(m datamodel.MapAssembler) {
		qp.MapEntry(m, "roots", qp.List(int64(len(roots)), func(l datamodel.ListAssembler) {
			for _, c := range roots {
				qp.ListEntry(l, qp.Link(cidlink.Link{Cid: c}))
			}
		}))
		qp.MapEntry(m, "version", qp.Int(1))
	})
	var header bytes.Buffer
	if err == nil {
		err = dagcbor.Encode(n, &header)
	}
	if err != nil {
		return fmt.Errorf("car: make the header: %w", err)
	}
	return w.section(nil, header.Bytes())
}

func (w *writer) block(c cid.Cid, b blocks.Block) error {
	if _, inline := dag.Inline(c); inline {
		return nil
	}
	if w.indexed {
		w.records = append(w.records, index.Record{Cid: c, Offset: w.offset})
	}
	if err := w.section(c.Bytes(), b.RawData()); err != nil {
		return err
	}
	w.done.Blocks++
	w.done.Bytes += int64(len(b.RawData()))
	if w.o.Progress != nil {
		w.o.Progress(w.done)
	}
	return nil
}

// section writes a length and what has it.
func (w *writer) section(head, data []byte) error {
	length := binary.AppendUvarint(w.scratch[:0], uint64(len(head)+len(data)))
	for _, part := range [][]byte{length, head, data} {
		if _, err := w.to.Write(part); err != nil {
			return fmt.Errorf("car: write: %w", err)
		}
		w.offset += uint64(len(part))
	}
	return nil
}

func (w *writer) index() error {
	idx, err := index.New(multicodec.CarMultihashIndexSorted)
	if err != nil {
		return err
	}
	if err := idx.Load(w.records); err != nil {
		return err
	}
	_, err = index.WriteTo(idx, w.to)
	return err
}

// header writes what stands in front of the payload of version 2, which is known last.
func (w *writer) header(to io.WriteSeeker) error {
	if _, err := to.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if _, err := to.Write(carv2.Pragma); err != nil {
		return err
	}
	_, err := carv2.NewHeader(w.offset).WriteTo(to)
	return err
}
