package resolver

import "encoding/hex"

// Key is what is fetched: bytes, as many as the protocol's keys have.
type Key string

// MostKey is the length of the longest keys, in bytes: twice that of the longest hash
// in use, so that one can be had with a prefix.
const MostKey = 128

// String is the key in lower-case hexadecimal digits.
func (k Key) String() string { return hex.EncodeToString([]byte(k)) }
