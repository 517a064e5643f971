// Package fields reads and writes the protobuf fields of protocols of our own,
// without reflection and without an allocation of its own.
package fields

import (
	"errors"
	"fmt"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
)

var (
	errTag      = errors.New("invalid field number")
	errGroup    = errors.New("group or unknown wire type")
	errCut      = errors.New("value reaches beyond its message, or a varint beyond 64 bits")
	errWireType = errors.New("wrong wire type")
)

// Field is one field as it was read.
type Field struct {
	Number protowire.Number

	wire   protowire.Type
	number uint64
	bytes  []byte
}

// Uint returns the value of a varint.
func (f Field) Uint() (uint64, error) {
	if f.wire != protowire.VarintType {
		return 0, fmt.Errorf("field %d: %w", f.Number, errWireType)
	}
	return f.number, nil
}

// Bytes returns the value of a string, of bytes, of a message or of packed
// numbers. It is a part of what was read, and nil when it is empty, which is as good
// as not there.
func (f Field) Bytes() ([]byte, error) {
	switch {
	case f.wire != protowire.BytesType:
		return nil, fmt.Errorf("field %d: %w", f.Number, errWireType)
	case len(f.bytes) == 0:
		return nil, nil
	}
	return f.bytes, nil
}

// Message calls visit with each field of the message that is the value, as [Each] does.
func (f Field) Message(visit func(Field) error) error {
	b, err := f.Bytes()
	if err != nil {
		return err
	}
	return Each(b, visit)
}

// Each calls visit with each field of the message b in turn, until one returns
// an error, and returns that. An encoding that cannot be read is an error too.
func Each(b []byte, visit func(Field) error) error {
	for len(b) > 0 {
		f, n, err := read(b)
		if err != nil {
			return err
		}
		if err := visit(f); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// FindUint returns the number in a field of the message b, which need not be well-formed,
// as far as it can be read: zero where there is none.
func FindUint(b []byte, num protowire.Number) (v uint64) {
	_ = Each(b, func(f Field) error {
		if f.Number == num {
			v, _ = f.Uint()
		}
		return nil
	})
	return v
}

// read reads the first field of b and returns its length.
func read(b []byte) (Field, int, error) {
	num, wire, n := protowire.ConsumeTag(b)
	if n < 0 {
		return Field{}, 0, errTag
	}
	f := Field{Number: num, wire: wire}
	var m int
	switch wire {
	case protowire.VarintType:
		f.number, m = protowire.ConsumeVarint(b[n:])
	case protowire.BytesType:
		f.bytes, m = protowire.ConsumeBytes(b[n:])
	case protowire.Fixed32Type:
		_, m = protowire.ConsumeFixed32(b[n:])
	case protowire.Fixed64Type:
		_, m = protowire.ConsumeFixed64(b[n:])
	default:
		return Field{}, 0, errGroup
	}
	if m < 0 {
		return Field{}, 0, fmt.Errorf("field %d: %w", num, errCut)
	}
	return f, n + m, nil
}

// AppendUint appends a varint field; zero is left out.
func AppendUint(b []byte, num protowire.Number, v uint64) []byte {
	if v == 0 {
		return b
	}
	return AppendPresentUint(b, num, v)
}

// AppendPresentUint appends a varint field also when it is zero, for a field
// whose presence says something.
func AppendPresentUint(b []byte, num protowire.Number, v uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, num, protowire.VarintType), v)
}

// AppendBool appends a flag; false is left out.
func AppendBool(b []byte, num protowire.Number, v bool) []byte {
	return AppendUint(b, num, protowire.EncodeBool(v))
}

// AppendBytes appends a field of bytes or of a string; an empty one is left out.
func AppendBytes[T string | []byte](b []byte, num protowire.Number, v T) []byte {
	if len(v) == 0 {
		return b
	}
	return AppendPresentBytes(b, num, v)
}

// AppendPresentBytes appends a field of bytes or of a string also when it is
// empty.
func AppendPresentBytes[T string | []byte](b []byte, num protowire.Number, v T) []byte {
	b = protowire.AppendTag(b, num, protowire.BytesType)
	return append(protowire.AppendVarint(b, uint64(len(v))), v...)
}

// AppendMessage appends a message that body appends.
func AppendMessage(b []byte, num protowire.Number, body func([]byte) []byte) []byte {
	b = protowire.AppendTag(b, num, protowire.BytesType)
	start := len(b)
	b = body(b)
	var length [10]byte
	return slices.Insert(b, start, protowire.AppendVarint(length[:0], uint64(len(b)-start))...)
}

// SizeUint returns how many bytes AppendUint appends.
func SizeUint(num protowire.Number, v uint64) int {
	if v == 0 {
		return 0
	}
	return protowire.SizeTag(num) + protowire.SizeVarint(v)
}

// SizeBytes returns how many bytes AppendBytes appends for n of them.
func SizeBytes(num protowire.Number, n int) int {
	if n == 0 {
		return 0
	}
	return SizePresentBytes(num, n)
}

// SizePresentBytes returns how many bytes AppendPresentBytes appends for n of them.
func SizePresentBytes(num protowire.Number, n int) int {
	return protowire.SizeTag(num) + protowire.SizeBytes(n)
}
