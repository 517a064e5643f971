package policy

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// The first words of a policy's text, without filters and with them, by Policy.only.
var (
	words       = map[bool]string{false: "everything", true: "nothing"}
	exceptWords = map[bool]string{false: "everything-except", true: "nothing-except"}
)

// Parse reads a policy: one of "everything", "nothing", "everything-except" and
// "nothing-except", the latter two followed by one filter or more. The error quotes what
// is wrong and says what would be right.
func Parse(parts ...string) (Policy, error) {
	if len(parts) == 0 {
		return Policy{}, errors.New("no policy: everything, nothing, everything-except FILTER… or nothing-except FILTER… is right")
	}
	for _, only := range []bool{false, true} {
		switch {
		case parts[0] == words[only] && len(parts) > 1:
			return Policy{}, fmt.Errorf("policy %q takes no filters: say %q", parts[0], exceptWords[only])
		case parts[0] == words[only]:
			return Policy{only: only}, nil
		case parts[0] == exceptWords[only] && len(parts) == 1:
			return Policy{}, fmt.Errorf("policy %q without filters: say %q, or add filters such as prefix:utf8:photos/", parts[0], words[only])
		case parts[0] == exceptWords[only]:
			return parseFilters(only, parts[1:])
		}
	}
	return Policy{}, fmt.Errorf("policy %.80q: everything, nothing, everything-except FILTER… or nothing-except FILTER… is right", parts[0])
}

func parseFilters(only bool, texts []string) (Policy, error) {
	if len(texts) > MaxFilters { // before any of them is read
		return build(only, make([]Filter, len(texts)))
	}
	filters := make([]Filter, len(texts))
	for i, text := range texts {
		f, err := ParseFilter(text)
		if err != nil {
			return Policy{}, err
		}
		filters[i] = f
	}
	return build(only, filters)
}

// Summary is the text of the policy, or, when that has more than so many bytes, its kind and
// the number of its filters.
func (p Policy) Summary(most int) string {
	text := p.String()
	if len(text) <= most {
		return text
	}
	return fmt.Sprintf("%s, %d filters", exceptWords[p.only], len(p.prefixes)+len(p.exact))
}

// Parts returns what [Parse] reads: the kind, and each filter.
func (p Policy) Parts() []string {
	if len(p.prefixes)+len(p.exact) == 0 {
		return []string{words[p.only]}
	}
	parts := []string{exceptWords[p.only]}
	for f := range p.Filters() {
		parts = append(parts, f.String())
	}
	return parts
}

// String returns a policy as one line, its parts with spaces in between. Filters with
// spaces in them are written in hexadecimal digits, so that it can be divided again.
func (p Policy) String() string {
	parts := []string{p.Parts()[0]}
	for f := range p.Filters() {
		text := f.String()
		if strings.Contains(text, " ") {
			kind, _, _ := strings.Cut(text, ":")
			text = kind + ":hex:" + hex.EncodeToString(f.text)
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, " ")
}

// MarshalText implements [encoding.TextMarshaler]: see [Policy.String].
func (p Policy) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (p *Policy) UnmarshalText(text []byte) (err error) {
	*p, err = Parse(strings.Split(string(text), " ")...)
	return err
}

// encoding is the first byte of what [Policy.MarshalBinary] returns.
const encoding = 1

// MarshalBinary returns what is kept of a policy:
//
//	byte 1, byte 0 (everything except) or 1 (nothing except)
//	for each filter: byte 0 (prefix) or 1 (exact), uvarint(length), text
func (p Policy) MarshalBinary() ([]byte, error) {
	out := []byte{encoding, bit(p.only)}
	for f := range p.Filters() {
		out = append(out, bit(f.exact))
		out = binary.AppendUvarint(out, uint64(len(f.text)))
		out = append(out, f.text...)
	}
	return out, nil
}

func bit(b bool) byte {
	if b {
		return 1
	}
	return 0
}

// UnmarshalBinary reads what MarshalBinary has written, and takes no more memory than
// that, whatever the bytes are.
func (p *Policy) UnmarshalBinary(data []byte) (err error) {
	if len(data) < 2 || data[0] != encoding || data[1] > 1 {
		return fmt.Errorf("%d bytes are no policy: they do not begin with %d and 0 or 1", len(data), encoding)
	}
	var filters []Filter
	for rest := data[2:]; len(rest) > 0; {
		if len(filters) > MaxFilters {
			return fmt.Errorf("%d bytes are no policy: more than %d filters", len(data), MaxFilters)
		}
		n, width := binary.Uvarint(rest[1:])
		if rest[0] > 1 || width <= 0 || n > uint64(len(rest)-1-width) {
			return fmt.Errorf("%d bytes are no policy: filter %d is not whole", len(data), len(filters)+1)
		}
		text := rest[1+width:][:n]
		if filters = append(filters, Prefix(text)); rest[0] == 1 {
			filters[len(filters)-1] = Exact(text)
		}
		rest = rest[1+width+int(n):]
	}
	*p, err = build(data[1] == 1, filters)
	return err
}
