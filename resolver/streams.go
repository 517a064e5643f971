package resolver

import (
	"errors"
	"io"

	"github.com/souk-p2p/souk/internal/carrier"
	"github.com/souk-p2p/souk/message"
	"github.com/souk-p2p/souk/resolver/wire"
)

// What the streams to peers report.
type (
	report = carrier.Report[streamID, said]
	opened = carrier.Opened[streamID, said]
	heard  = carrier.Heard[streamID, said]
	wrote  = carrier.Wrote[streamID, said]
	parted = carrier.Ended[streamID, said]
)

// said is what a peer has said: an answer, or what is none.
type said struct {
	id     requestID
	answer answer
	fault  message.Fault
}

// hearing reads the answers on one stream.
type hearing struct {
	in    *wire.Reader[wire.Answer]
	parts int // that are to come on this stream, if it goes on with the value
}

func hear(conn io.Reader) func() (said, error) {
	h := &hearing{in: wire.NewAnswers(conn)}
	return h.next
}

// next returns the next answer. Parts are hashed here, where they hold up nobody else.
func (h *hearing) next() (said, error) {
	m, err := h.in.Next()
	var wrong *wire.MessageError
	switch {
	case errors.As(err, &wrong):
		return said{id: requestID(wrong.ID), fault: faultOf(wrong.Fault)}, nil
	case err != nil:
		return said{}, err
	}
	s := said{id: requestID(m.Number())}
	switch m := m.(type) {
	case *wire.Failure:
		s.answer.refusal = m.Code
	case *wire.Response:
		s.answer = answer{data: m.Data, size: int64(m.Parts.Size), hashes: m.Parts.Hashes}
		h.sum(&s.answer)
	}
	return s, nil
}

// sum hashes data that are likely to be a part.
func (h *hearing) sum(a *answer) {
	switch {
	case a.size > 0:
		h.parts = len(a.hashes)/wire.HashSize - 1
	case h.parts > 0:
		h.parts--
	default:
		return // A whole value, or a part of one that was begun elsewhere.
	}
	a.hash()
}

// blame is the fault of a peer in the end of its stream, or 0: one that was cut is none.
// What the stream finds wrong with frames by itself has a fault of its own.
func blame(cause error) message.Fault {
	var frame *message.FrameError
	if errors.As(cause, &frame) && frame.Fault != message.FaultFrameCut {
		return frame.Fault
	}
	if f := wire.FaultOf(cause); f == wire.FaultLength {
		return faultOf(f)
	}
	return 0
}

// faultOf is what the ledger calls a fault of the protocol. What newer peers say and
// nobody knows here is only unasked.
func faultOf(f wire.Fault) message.Fault {
	switch f {
	case wire.FaultUnknown:
		return message.FaultUnasked
	case wire.FaultSize:
		return message.FaultBlockTooLarge
	case wire.FaultLength:
		return message.FaultFrameLength
	}
	return message.FaultProtobuf
}
