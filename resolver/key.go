package resolver

import (
	"encoding/hex"

	"github.com/souk-p2p/souk/resolver/wire"
)

// Key is what is fetched: bytes, as many as the protocol's keys have.
type Key string

// MostKey is the length of the longest keys, in bytes.
const MostKey = wire.MaxKey

// String is the key in lower-case hexadecimal digits.
func (k Key) String() string { return hex.EncodeToString([]byte(k)) }

// MarshalText returns the key as String does.
func (k Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads what MarshalText has returned.
func (k *Key) UnmarshalText(text []byte) error {
	b, err := hex.DecodeString(string(text))
	*k = Key(b)
	return err
}
