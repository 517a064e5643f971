package wire

import (
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p/core/protocol"
)

// Protocol is the name of the protocol, for a host with one resolver.
const Protocol = "/souk/resolver/1.0.0"

// MaxSuffix is how many bytes the suffix of a protocol has at most.
const MaxSuffix = 64

// ProtocolOf returns the name of the protocol with the suffix of an application, so
// that several share a host: /souk/resolver/1.0.0/SUFFIX. An empty suffix is none.
// One that is not at most [MaxSuffix] of a to z, 0 to 9, ".", "_" and "-" is an
// error.
func ProtocolOf(suffix string) (protocol.ID, error) {
	if suffix == "" {
		return Protocol, nil
	}
	if len(suffix) > MaxSuffix {
		return "", fmt.Errorf("wire: a suffix of %d bytes: at most %d are right", len(suffix), MaxSuffix)
	}
	for _, c := range []byte(suffix) {
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '.' || c == '_' || c == '-' {
			continue
		}
		return "", fmt.Errorf("wire: suffix %q: a to z, 0 to 9, '.', '_' and '-' are right", suffix)
	}
	return Protocol + "/" + protocol.ID(suffix), nil
}

// Idle is how long who answers keeps a stream on which nothing is asked and nothing
// is owed. Who asks closes it earlier, so that no request meets the end: fetches
// come in bursts, and a stream costs each side some KiB.
const Idle = time.Minute

// The limits of elements, in bytes.
const (
	MaxKey   = 128       // a name of two hashes of 64 bytes
	PartSize = 256 << 10 // of all parts of a value but the last: 20 ms at 100 Mb/s, for which other answers wait
	MaxValue = 1 << 30   // so that a list of hashes is at most half as long as a part
	HashSize = 32        // of a sha2-256
)

// MaxParts is how many parts a value has at most.
const MaxParts = MaxValue / PartSize

// The limits of frames, in bytes of the body.
const (
	MaxRequest = 256                                       // number, key, part and list have at most 190
	MaxAnswer  = PartSize + MaxParts*HashSize + frameExtra // the first part of the largest value
)

// frameExtra is what an answer has besides its data and hashes, at most: the tags
// and lengths of five fields and two numbers.
const frameExtra = 64
