package policy

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Filter matches keys: those with a prefix, or one. Its text is one of
//
//	prefix:utf8:photos/2024/
//	prefix:hex:70686f
//	exact:utf8:photos/2024/a.jpg
//	exact:hex:00ff
//
// in which all that comes after the second colon is the key, or its hexadecimal digits.
type Filter struct {
	text  []byte
	exact bool
}

// Prefix returns the filter that matches keys that begin with text.
func Prefix(text []byte) Filter { return Filter{text: bytes.Clone(text)} }

// Exact returns the filter that matches one key.
func Exact(key []byte) Filter { return Filter{text: bytes.Clone(key), exact: true} }

// Matches reports whether the filter matches a key.
func (f Filter) Matches(key []byte) bool {
	if f.exact {
		return bytes.Equal(key, f.text)
	}
	return bytes.HasPrefix(key, f.text)
}

// check returns an error that names the filter and what is wrong with it.
func (f Filter) check() error {
	switch {
	case len(f.text) == 0 && f.exact:
		return fmt.Errorf("filter %q: no key is empty: name one", f)
	case len(f.text) == 0:
		return fmt.Errorf("filter %q: every key begins with an empty prefix: say %q or %q instead", f, words[false], words[true])
	case len(f.text) > MaxFilter:
		return fmt.Errorf("filter %.40q…: it has %d bytes, and at most %d are right", f, len(f.text), MaxFilter)
	}
	return nil
}

// ParseFilter reads the text of a filter. The error quotes it and says what is right.
func ParseFilter(text string) (Filter, error) {
	kind, rest, _ := strings.Cut(text, ":")
	form, key, complete := strings.Cut(rest, ":")
	f := Filter{exact: kind == "exact"}
	if !complete || kind != "exact" && kind != "prefix" || form != "utf8" && form != "hex" {
		return Filter{}, fmt.Errorf("filter %.80q: prefix:utf8:TEXT, prefix:hex:DIGITS, exact:utf8:TEXT or exact:hex:DIGITS is right", text)
	}
	if f.text = []byte(key); form == "hex" {
		var err error
		if f.text, err = hex.DecodeString(key); err != nil {
			return Filter{}, fmt.Errorf("filter %.80q: %w: two hexadecimal digits for each byte are right", text, err)
		}
	}
	return f, f.check()
}

// String returns the text of a filter: as UTF-8 when people can read it, otherwise as
// hexadecimal digits.
func (f Filter) String() string {
	kind := "prefix"
	if f.exact {
		kind = "exact"
	}
	if readable(f.text) {
		return kind + ":utf8:" + string(f.text)
	}
	return kind + ":hex:" + hex.EncodeToString(f.text)
}

// readable reports whether bytes are text without control characters and such.
func readable(b []byte) bool {
	return utf8.Valid(b) && bytes.IndexFunc(b, func(r rune) bool {
		return r == utf8.RuneError || !unicode.IsPrint(r)
	}) < 0
}
