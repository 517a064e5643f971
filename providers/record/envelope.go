package record

import (
	"bytes"
	"errors"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/souk-p2p/souk/internal/fields"
)

// maxPublicKey is the length of an encoded public key in bytes at most: RSA with
// 4,096 bits has 556.
const maxPublicKey = 600

// What a signature is made over begins with what it is a signature for, so that
// none can be passed off as another. Neither is the beginning of the other, nor
// of what libp2p signs.
const (
	recordContext   = "souk-provider-record:"
	trackersContext = "souk-tracker-list:"
)

// The fields of an envelope.
const (
	fieldPayload   = protowire.Number(1)
	fieldSignature = protowire.Number(2)
	fieldPublicKey = protowire.Number(3)
)

// envelope is signed bytes as they travel. Its parts are parts of raw.
type envelope struct {
	raw       []byte
	payload   []byte
	signature []byte
	publicKey []byte // empty when the signer's identity has it
}

// seal signs payload with key for context. The public key goes along when id,
// which is that of key, does not have it in it.
func seal(key crypto.PrivKey, id peer.ID, context string, payload []byte) ([]byte, error) {
	signature, err := key.Sign(append([]byte(context), payload...))
	if err != nil {
		return nil, err
	}
	b := fields.AppendBytes(nil, fieldPayload, payload)
	b = fields.AppendBytes(b, fieldSignature, signature)
	_, err = id.ExtractPublicKey()
	if err == nil {
		return b, nil
	}
	public, err := crypto.MarshalPublicKey(key.GetPublic())
	if err != nil {
		return nil, err
	}
	return fields.AppendBytes(b, fieldPublicKey, public), nil
}

// open reads an envelope of at most so many bytes, which it copies.
func open(b []byte, most int) (envelope, error) {
	if len(b) > most {
		return envelope{}, refuse(FaultSize, "%d bytes: at most %d are right", len(b), most)
	}
	e := envelope{raw: bytes.Clone(b)}
	if err := fields.Each(e.raw, e.field); err != nil {
		return envelope{}, asFault(err)
	}
	if len(e.publicKey) > maxPublicKey {
		return envelope{}, refuse(FaultKey, "public key of %d bytes: at most %d are right", len(e.publicKey), maxPublicKey)
	}
	return e, nil
}

func (e *envelope) field(f fields.Field) (err error) {
	switch f.Number {
	case fieldPayload:
		e.payload, err = f.Bytes()
	case fieldSignature:
		e.signature, err = f.Bytes()
	case fieldPublicKey:
		e.publicKey, err = f.Bytes()
	}
	return err
}

// verify returns nil if the payload was signed by id for context.
func (e *envelope) verify(id peer.ID, context string) error {
	key, err := e.keyOf(id)
	if err != nil {
		return err
	}
	ok, err := key.Verify(append([]byte(context), e.payload...), e.signature)
	if err != nil || !ok {
		return refuse(FaultSignature, "%d bytes are not the signature of %s", len(e.signature), id)
	}
	return nil
}

// keyOf returns the public key of id: the one in it, or else the one that came
// along, if it is that of id.
func (e *envelope) keyOf(id peer.ID) (crypto.PubKey, error) {
	key, err := id.ExtractPublicKey()
	if err == nil {
		return key, nil
	}
	if !errors.Is(err, peer.ErrNoPublicKey) {
		return nil, refuse(FaultKey, "in peer %s: %v", id, err)
	}
	if len(e.publicKey) == 0 {
		return nil, refuse(FaultKey, "none came along, and peer %s has none in it", id)
	}
	key, err = crypto.UnmarshalPublicKey(e.publicKey)
	if err != nil {
		return nil, refuse(FaultKey, "of %s: %v", id, err)
	}
	if !id.MatchesPublicKey(key) {
		return nil, refuse(FaultSigner, "the public key is not that of %s", id)
	}
	return key, nil
}
