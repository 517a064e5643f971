package wire

import (
	"slices"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/souk-p2p/souk/internal/fields"
)

// The fields of the messages.
const (
	fieldID = protowire.Number(1)

	kindRequest  = protowire.Number(2)
	kindResponse = protowire.Number(3)
	kindFailure  = protowire.Number(4)

	fieldRequestKey  = protowire.Number(1)
	fieldRequestPart = protowire.Number(2)
	fieldRequestList = protowire.Number(3)

	fieldResponseData   = protowire.Number(1)
	fieldResponseSize   = protowire.Number(2)
	fieldResponseHashes = protowire.Number(3)

	fieldFailureCode = protowire.Number(1)
)

// AppendFrame appends m as one frame to b, which grows once. A [*MessageError] says
// that m is against the rules; b is returned as it was then.
func AppendFrame(b []byte, m Message) ([]byte, error) {
	if err := check(m); err != nil {
		return b, messageError(m.Number(), err)
	}
	content := m.size()
	body := fields.SizeUint(fieldID, uint64(m.Number())) + fields.SizePresentBytes(m.kind(), content)
	b = slices.Grow(b, protowire.SizeBytes(body))
	b = protowire.AppendVarint(b, uint64(body))
	b = fields.AppendUint(b, fieldID, uint64(m.Number()))
	b = protowire.AppendTag(b, m.kind(), protowire.BytesType)
	return m.appendContent(protowire.AppendVarint(b, uint64(content))), nil
}

func (*Request) kind() protowire.Number  { return kindRequest }
func (*Response) kind() protowire.Number { return kindResponse }
func (*Failure) kind() protowire.Number  { return kindFailure }

// list returns the list as it is on the wire, where none is nothing.
func (m *Request) list() []byte {
	if m.List == (List{}) {
		return nil
	}
	return m.List[:]
}

func (m *Request) size() int {
	return fields.SizeBytes(fieldRequestKey, len(m.Key)) +
		fields.SizeUint(fieldRequestPart, uint64(m.Part)) +
		fields.SizeBytes(fieldRequestList, len(m.list()))
}

func (m *Request) appendContent(b []byte) []byte {
	b = fields.AppendBytes(b, fieldRequestKey, m.Key)
	b = fields.AppendUint(b, fieldRequestPart, uint64(m.Part))
	return fields.AppendBytes(b, fieldRequestList, m.list())
}

func (m *Response) size() int {
	return fields.SizeBytes(fieldResponseData, len(m.Data)) +
		fields.SizeUint(fieldResponseSize, uint64(m.Parts.Size)) +
		fields.SizeBytes(fieldResponseHashes, len(m.Parts.Hashes))
}

func (m *Response) appendContent(b []byte) []byte {
	b = fields.AppendBytes(b, fieldResponseData, m.Data)
	b = fields.AppendUint(b, fieldResponseSize, uint64(m.Parts.Size))
	return fields.AppendBytes(b, fieldResponseHashes, m.Parts.Hashes)
}

func (m *Failure) size() int { return fields.SizeUint(fieldFailureCode, uint64(m.Code)) }

func (m *Failure) appendContent(b []byte) []byte {
	return fields.AppendUint(b, fieldFailureCode, uint64(m.Code))
}
