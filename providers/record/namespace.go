package record

import (
	"unicode"
	"unicode/utf8"
)

// MaxNamespace is the length of a namespace in bytes at most: room for a path or
// a digest in text, and little enough for 64 in a frame.
const MaxNamespace = 128

// Namespace is a name that an application chooses for what its peers hold: 1 to
// [MaxNamespace] bytes of UTF-8 without control characters. Two that differ in a
// byte are two.
type Namespace string

// Check returns an [*Error] with [FaultNamespace] unless n follows the rules.
func (n Namespace) Check() error {
	switch {
	case n == "":
		return refuse(FaultNamespace, `namespace "": 1 to %d bytes are right`, MaxNamespace)
	case len(n) > MaxNamespace:
		return refuse(FaultNamespace, "namespace %.40q and more, %d bytes: 1 to %d are right", string(n), len(n), MaxNamespace)
	case !utf8.ValidString(string(n)):
		return refuse(FaultNamespace, "namespace %q: UTF-8 is right", string(n))
	}
	for i, r := range n {
		if unicode.IsControl(r) {
			return refuse(FaultNamespace, "namespace %q: no control character is right, and byte %d is %U", string(n), i, r)
		}
	}
	return nil
}
