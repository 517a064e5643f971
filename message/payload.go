package message

import (
	"sync"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"google.golang.org/protobuf/encoding/protowire"
)

// growth is how many times the bytes that it has received a block may hold in
// memory. With a window full as the first step, a block of 256 KiB is allocated
// once and one of 2 MiB costs an eighth more than its size.
const growth = 8

// pieceSize is what is allocated first for a block that is larger. It is only used
// until more has come, so the next such block can have it.
const pieceSize = growth * windowSize

var pieces = sync.Pool{New: func() any { return new([pieceSize]byte) }}

// legacyBlock reads a block without a prefix, which stands for CIDv0 (Bitswap
// 1.0.0).
func (d *Decoder) legacyBlock(typ protowire.Type) (blocks.Block, error) {
	end, err := d.element(typ, 0)
	if err != nil {
		return nil, err
	}
	data, fault, err := d.data(d.in.left - end)
	if err != nil {
		return nil, err
	}
	return d.block(v0Prefix, data, fault), nil
}

// payload reads a block with its prefix.
func (d *Decoder) payload(typ protowire.Type) (blocks.Block, error) {
	end, err := d.element(typ, 0)
	if err != nil {
		return nil, err
	}
	var p payload
	for d.in.left > end {
		if err := d.payloadField(&p, end); err != nil {
			return nil, err
		}
	}
	if p.fault == 0 && !p.prefixed {
		p.fault = FaultPrefix
	}
	return d.block(p.prefix, p.data, p.fault), nil
}

// payload is a block with its prefix as far as it is read.
type payload struct {
	prefix   cid.Prefix
	prefixed bool
	data     []byte
	fault    Fault // the first; it stays
}

// payloadField reads one field of a block. Of a field that comes several times
// the last counts. The data of a block that is refused already is not kept.
func (d *Decoder) payloadField(p *payload, end int) error {
	num, typ, err := d.in.tag(end)
	if err != nil {
		return err
	}
	if num != fieldBlockPrefix && num != fieldBlockData {
		return d.in.skip(typ, end)
	}
	n, err := d.in.length(typ, end)
	if err != nil {
		return err
	}
	switch {
	case p.fault != 0:
		return d.in.discard(n)
	case num == fieldBlockPrefix:
		p.prefixed = true
		p.prefix, p.fault, err = d.prefix(n)
	default:
		p.data, p.fault, err = d.data(n)
	}
	return err
}

// prefix reads a prefix of n bytes.
func (d *Decoder) prefix(n int) (cid.Prefix, Fault, error) {
	if n > maxPrefix {
		return cid.Prefix{}, FaultPrefix, d.in.discard(n)
	}
	b, err := d.in.take(n)
	if err != nil {
		return cid.Prefix{}, 0, err
	}
	p, fault := prefixFault(b)
	return p, fault, nil
}

// data reads n bytes of block data into memory of their own, which grows with
// the bytes that arrive and is taken from the budget first. It replaces data
// of the same block that was read before.
func (d *Decoder) data(n int) ([]byte, Fault, error) {
	d.blockLoan.lower(0)
	if n > d.limits.Block {
		return nil, FaultBlockTooLarge, d.in.discard(n)
	}
	head := min(n, len(d.in.buf))
	if err := d.in.fill(head); err != nil {
		return nil, 0, err
	}
	var data []byte
	var piece *[pieceSize]byte
	for got := 0; got < n; got = len(data) {
		size := min(n, growth*max(got, head))
		if err := d.blockLoan.raise(size); err != nil {
			return nil, 0, err
		}
		if size == pieceSize && size < n {
			piece = pieces.Get().(*[pieceSize]byte)
			data = piece[:]
		} else {
			data = append(make([]byte, 0, size), data...)[:size]
		}
		if err := d.in.readFull(data[got:]); err != nil {
			return nil, 0, err
		}
	}
	if piece != nil {
		pieces.Put(piece)
	}
	return data, 0, nil
}

// block verifies data and returns it as a block under p. If it must be skipped
// it counts the fault and returns nil.
func (d *Decoder) block(p cid.Prefix, data []byte, fault Fault) blocks.Block {
	if fault == 0 {
		if b, err := d.newBlock(p, data); err == nil {
			return b
		}
		fault = FaultHash // the library refuses what prefixFault accepted
	}
	d.faults[fault]++
	d.blockLoan.lower(0)
	return nil
}

func (d *Decoder) newBlock(p cid.Prefix, data []byte) (blocks.Block, error) {
	c, err := sum(d.scratch, p, data)
	if err != nil {
		return nil, err
	}
	if data == nil {
		data = []byte{}
	}
	return blocks.NewBlockWithCid(data, c)
}
