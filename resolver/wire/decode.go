package wire

import (
	"bytes"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/souk-p2p/souk/internal/fields"
)

// decode returns the message in the body of a frame. Data and hashes are parts of
// body, unless that has much else. Every error is a [*MessageError].
func decode(body []byte) (Message, error) {
	var id uint64
	var m Message
	err := fields.Each(body, func(f fields.Field) (err error) {
		switch f.Number {
		case fieldID:
			id, err = f.Uint()
		case kindRequest, kindResponse, kindFailure:
			if m != nil {
				return refuse(FaultEncoding, "two messages in a frame")
			}
			m = newMessage(f.Number)
			return f.Message(m.field)
		}
		return err
	})
	switch {
	case err != nil:
		return nil, messageError(findID(body), err)
	case m == nil:
		return nil, messageError(ID(id), refuse(FaultUnknown, "no message of a known kind"))
	}
	setID(m, ID(id))
	if err := check(m); err != nil {
		return nil, messageError(ID(id), err)
	}
	if r, ok := m.(*Response); ok {
		r.part(len(body))
	}
	return m, nil
}

// part takes data and hashes out of a body of so many bytes that has more than them:
// fields that nobody knows, or data that others came behind. Who keeps a small value
// would keep all of it, and count but the value.
func (m *Response) part(body int) {
	if body-len(m.Data)-len(m.Parts.Hashes) > frameExtra {
		m.Data, m.Parts.Hashes = bytes.Clone(m.Data), bytes.Clone(m.Parts.Hashes)
	}
}

// findID returns the number of a message that is refused, so that the refusal says what
// it is of.
func findID(body []byte) ID { return ID(fields.FindUint(body, fieldID)) }

func newMessage(kind protowire.Number) Message {
	switch kind {
	case kindRequest:
		return new(Request)
	case kindResponse:
		return new(Response)
	}
	return &Failure{Code: CodeNone}
}

func setID(m Message, id ID) {
	switch m := m.(type) {
	case *Request:
		m.ID = id
	case *Response:
		m.ID = id
	case *Failure:
		m.ID = id
	}
}

func (m *Request) field(f fields.Field) error {
	switch f.Number {
	case fieldRequestKey:
		b, err := f.Bytes()
		// One byte over the limit is enough to refuse it.
		m.Key = string(b[:min(len(b), MaxKey+1)])
		return err
	case fieldRequestPart:
		v, err := f.Uint()
		m.Part = int(min(v, MaxParts))
		return err
	case fieldRequestList:
		return m.readList(f)
	}
	return nil
}

func (m *Request) readList(f fields.Field) error {
	b, err := f.Bytes()
	if err != nil {
		return err
	}
	if len(b) > 0 && len(b) != HashSize {
		return refuse(FaultList, "a list of %d bytes: %d are right", len(b), HashSize)
	}
	m.List = List{}
	copy(m.List[:], b)
	return nil
}

func (m *Response) field(f fields.Field) (err error) {
	switch f.Number {
	case fieldResponseData:
		m.Data, err = f.Bytes()
	case fieldResponseSize:
		var v uint64
		v, err = f.Uint()
		m.Parts.Size = int(min(v, MaxValue+1))
	case fieldResponseHashes:
		m.Parts.Hashes, err = f.Bytes()
	}
	return err
}

// field reads the code of a failure; one that is not known here is CodeNone.
func (m *Failure) field(f fields.Field) error {
	if f.Number != fieldFailureCode {
		return nil
	}
	v, err := f.Uint()
	if m.Code = CodeNone; v > 0 && v < uint64(codes) {
		m.Code = Code(v)
	}
	return err
}

// check returns an error with a fault if the message is against the rules.
func check(m Message) error {
	if m.Number() == 0 {
		return refuse(FaultID, "the number zero: one above is right")
	}
	return m.check()
}

func (m *Request) check() error {
	switch {
	case len(m.Key) == 0 || len(m.Key) > MaxKey:
		return refuse(FaultKey, "a key of %d bytes: 1 to %d are right", len(m.Key), MaxKey)
	case m.Part < 0 || m.Part >= MaxParts:
		return refuse(FaultPart, "part %d: 0 to %d are right", m.Part, MaxParts-1)
	case m.Part > 0 && m.List == (List{}):
		return refuse(FaultPart, "part %d without a list", m.Part)
	}
	return nil
}

func (m *Response) check() error {
	if len(m.Data) > PartSize {
		return refuse(FaultSize, "%d bytes of data: at most %d are right", len(m.Data), PartSize)
	}
	return m.Parts.check(m.Data)
}

func (m *Failure) check() error {
	if m.Code == 0 || m.Code >= codes {
		return refuse(FaultEncoding, "code %d: 1 to %d are right", m.Code, codes-1)
	}
	return nil
}
