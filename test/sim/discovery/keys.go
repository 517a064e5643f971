//go:build simulation

package discovery

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"errors"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/crypto/pb"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/souk-p2p/souk/providers/record"
)

// keys are the keys of all peers, and what verifies what they sign.
type keys interface {
	of(i int) crypto.PrivKey
	verify(s *record.Signed) error
}

func seedOf(i int) []byte {
	sum := sha256.Sum256(binary.BigEndian.AppendUint64([]byte("peer"), uint64(i)))
	return sum[:]
}

// signatures are real ones.
type signatures struct{}

func (signatures) of(i int) crypto.PrivKey {
	key, err := crypto.UnmarshalEd25519PrivateKey(ed25519.NewKeyFromSeed(seedOf(i)))
	if err != nil {
		panic(err) // The seed has the right length.
	}
	return key
}

func (signatures) verify(s *record.Signed) error { return s.Verify() }

// hashes are in place of signatures where making and verifying these would take
// hours: as long, and nobody in the run knows the secret beside the verifier.
type hashes struct{}

func (hashes) of(i int) crypto.PrivKey { return hashKey{seedOf(i)} }

var errNotSigned = errors.New("not the hash of the payload")

func (hashes) verify(s *record.Signed) error {
	payload, signature, err := parts(s.Bytes())
	if err != nil {
		return err
	}
	id := []byte(s.Record().Peer)
	public := id[len(id)-sha256.Size:]
	if !bytes.Equal(signature, hash(public, append([]byte("souk-provider-record:"), payload...))) {
		return errNotSigned
	}
	return nil
}

// parts are the payload and the signature in the bytes of a record: its first
// two fields.
func parts(b []byte) (payload, signature []byte, err error) {
	for _, field := range []*[]byte{&payload, &signature} {
		_, _, n := protowire.ConsumeTag(b)
		if n < 0 {
			return nil, nil, errNotSigned
		}
		part, m := protowire.ConsumeBytes(b[n:])
		if m < 0 {
			return nil, nil, errNotSigned
		}
		*field, b = part, b[n+m:]
	}
	return payload, signature, nil
}

func hash(public, data []byte) []byte {
	sum := sha512.Sum512(append(append([]byte("secret"), public...), data...))
	return sum[:]
}

// hashKey is a key in whose place a hash is. It has the form of an Ed25519 key,
// so that identities have their usual length.
type hashKey struct{ public []byte }

func (k hashKey) Equals(o crypto.Key) bool {
	other, ok := o.(hashKey)
	return ok && bytes.Equal(k.public, other.public)
}
func (k hashKey) Raw() ([]byte, error)             { return k.public, nil }
func (k hashKey) Type() pb.KeyType                 { return pb.KeyType_Ed25519 }
func (k hashKey) Sign(data []byte) ([]byte, error) { return hash(k.public, data), nil }
func (k hashKey) GetPublic() crypto.PubKey         { return k }
func (k hashKey) Verify(data, signature []byte) (bool, error) {
	return bytes.Equal(signature, hash(k.public, data)), nil
}
