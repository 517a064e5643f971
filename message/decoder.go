package message

import (
	"io"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"google.golang.org/protobuf/encoding/protowire"
)

// Part is what [Decoder.Next] returns: a verified block, or the rest of a
// frame. It belongs to the caller.
type Part struct {
	Message
	// Last says that the frame ends with this part. It is the part with the
	// wantlist, the presences and pendingBytes, and has no block.
	Last bool
	// Taken is the number of bytes taken from the budget for this part.
	// Whoever consumes the part gives them back.
	Taken int
	// Faults counts the elements that were skipped since the part before.
	Faults FaultCounts
}

// Decoder reads the messages of one stream. It holds memory only for bytes that
// were received, and hands blocks on as they complete: a frame of n blocks
// gives n parts with one verified block each and a last part with all else. An
// element that is wrong in itself is skipped and counted; an error in the
// framing or in the protobuf encoding ends the stream.
//
// On streams of a version before [V120] the fields that came with it are
// unknown fields. Blocks are accepted in either field on every version.
//
// A Decoder is for one goroutine.
type Decoder struct {
	in       input
	version  Version
	limits   Limits
	observer FrameObserver
	err      error // what ended the stream

	// What is on loan from the budget.
	windowLoan loan // the window
	listLoan   loan // the CIDs of entries and presences
	blockLoan  loan // the data of the block that is being read

	// The frame that is being read.
	open     bool
	count    int         // elements
	faults   FaultCounts // not yet handed on
	rest     Builder     // the last part
	restSize int         // bytes of the CIDs in rest
	blocks   []cid.Cid   // of the parts that were handed on

	scratch []byte // the CID of the element that is being read; MaxCID is its capacity
}

// NewDecoder returns a decoder of the messages that a peer writes to r, a
// stream of v. The budget and the observer may be nil: memory is bounded by the
// limits alone then.
func NewDecoder(r io.Reader, v Version, l Limits, b Budget, o FrameObserver) *Decoder {
	if b == nil {
		b = unlimited{}
	}
	if o == nil {
		o = unobserved{}
	}
	d := &Decoder{version: v, limits: l.withDefaults(), observer: o, scratch: make([]byte, 0, MaxCID)}
	d.in.init(r)
	d.windowLoan.budget, d.listLoan.budget, d.blockLoan.budget = b, b, b
	return d
}

// Next reads up to the end of the next part and returns it. It blocks as the
// stream and the budget do.
//
// Between frames it returns io.EOF at the end of the stream, and any other
// error of the stream as it is. Inside a frame it returns a [*FrameError], for
// an error of the stream as well, or a [*BudgetError]. After an error, which
// comes again from every later call, the stream must be reset unless the error
// is io.EOF. The part that comes with an error has nothing but the faults that
// were counted before it.
func (d *Decoder) Next() (Part, error) {
	if d.err != nil {
		return Part{}, d.err
	}
	block, err := d.next()
	switch {
	case err != nil && d.open:
		return d.fail(inFrame(err)), d.err
	case err != nil:
		return d.fail(err), d.err
	case block != nil:
		d.blocks = append(d.blocks, block.Cid())
		return Part{
			Message: Message{Blocks: []blocks.Block{block}},
			Taken:   d.blockLoan.handOn(),
			Faults:  d.takeFaults(),
		}, nil
	}
	return d.lastPart(), nil
}

// Close gives back to the budget what the decoder holds, for an owner that
// stops reading before Next has returned an error.
func (d *Decoder) Close() {
	if d.err == nil {
		d.fail(ErrClosed)
	}
}

// next returns the next block of the frame, or nil at its end.
func (d *Decoder) next() (blocks.Block, error) {
	if !d.open {
		if err := d.begin(); err != nil {
			return nil, err
		}
	}
	for d.in.left > 0 {
		block, err := d.field()
		if block != nil || err != nil {
			return block, err
		}
	}
	return nil, nil
}

// begin reads the length of a frame and makes room for reading its body.
func (d *Decoder) begin() error {
	d.closeWindow()
	size, err := d.frameLength()
	if err != nil {
		return err
	}
	d.observer.FrameBegins(size)
	d.in.left = size
	if size <= idleSize || d.in.window != nil {
		return nil
	}
	if err := d.windowLoan.raise(windowSize); err != nil {
		return err
	}
	d.in.openWindow()
	return nil
}

func (d *Decoder) closeWindow() {
	if d.in.closeWindow() {
		d.windowLoan.lower(0)
	}
}

// frameLength reads the varint before a frame: minimal, of at most nine bytes
// (multiformats unsigned-varint), and within the limit.
func (d *Decoder) frameLength() (int, error) {
	for v, shift := uint64(0), 0; ; shift += 7 {
		b, err := d.in.byte()
		if err != nil {
			return 0, err
		}
		d.open = true
		if shift > 0 && b == 0 {
			return 0, &FrameError{Fault: FaultFrameLength, Err: errLengthNotMinimal}
		}
		v |= uint64(b&0x7f) << shift
		if v > uint64(d.limits.Frame) || shift == 56 && b >= 0x80 {
			return 0, &FrameError{Fault: FaultFrameLength, Err: errLengthLimit}
		}
		if b < 0x80 {
			return int(v), nil
		}
	}
}

// field reads one field of the message. It returns the block if the field has
// one that is accepted.
func (d *Decoder) field() (blocks.Block, error) {
	num, typ, err := d.in.tag(0)
	if err != nil {
		return nil, err
	}
	switch {
	case num == fieldWantlist:
		return nil, d.wantlist(typ)
	case num == fieldBlocks:
		return d.legacyBlock(typ)
	case num == fieldPayload:
		return d.payload(typ)
	case num == fieldPresences && d.version >= V120:
		return nil, d.presence(typ)
	case num == fieldPendingBytes && d.version >= V120:
		return nil, d.pendingBytes(typ)
	}
	return nil, d.in.skip(typ, 0)
}

func (d *Decoder) pendingBytes(typ protowire.Type) error {
	v, err := d.in.number(typ, 0)
	d.rest.PendingBytes = int32(v)
	return err
}

// lastPart ends the frame.
func (d *Decoder) lastPart() Part {
	d.observer.FrameEnds()
	for _, c := range d.blocks {
		d.rest.presences.drop(c)
	}
	d.listLoan.lower(d.restSize)
	p := Part{
		Message: *d.rest.Message(),
		Last:    true,
		Taken:   d.listLoan.handOn(),
		Faults:  d.takeFaults(),
	}
	d.reset()
	return p
}

// reset forgets the frame.
func (d *Decoder) reset() {
	d.open, d.count, d.restSize = false, 0, 0
	clear(d.blocks)
	if d.blocks = d.blocks[:0]; cap(d.blocks) > keptIndex {
		d.blocks = nil
	}
}

// fail ends the stream with err and gives everything back.
func (d *Decoder) fail(err error) Part {
	d.err = err
	d.in.drop()
	d.rest = Builder{}
	d.blocks = nil
	d.windowLoan.lower(0)
	d.listLoan.lower(0)
	d.blockLoan.lower(0)
	return Part{Faults: d.takeFaults()}
}

func (d *Decoder) takeFaults() FaultCounts {
	n := d.faults
	d.faults = FaultCounts{}
	return n
}
