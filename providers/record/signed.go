package record

import (
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
)

// MaxSigned is the length of a signed record in bytes at most. The longest one
// with all limits reached and an RSA key of 4,096 bits has about 7,700.
const MaxSigned = 8 << 10

// Signed is a signed record as it travels, with what it says. What it says is a
// claim until [Signed.Verify] has returned nil. It does not change.
type Signed struct {
	envelope
	record Record
}

// Sign returns r signed with key, whose peer r is about; an empty r.Peer becomes
// that peer. The TTL is clamped unless it is zero, addresses lose the /p2p of
// the peer, and the time loses what is below a millisecond. An [*Error] says what
// in r is against the rules, any other error is that of the key.
func Sign(key crypto.PrivKey, r Record) (*Signed, error) {
	id, err := peer.IDFromPrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("record: peer of the signing key: %w", err)
	}
	if r.Peer != "" && r.Peer != id {
		return nil, refuse(FaultSigner, "record of %s: one of %s is right", r.Peer, id)
	}
	r.Peer = id
	if r.Addrs, err = bareAddrs(r.Addrs, id, MaxAddrs); err != nil {
		return nil, err
	}
	if r.Issued.UnixMilli() < 0 {
		return nil, refuse(FaultSkew, "issued at %s: a time after 1970 is right", r.Issued)
	}
	raw, err := seal(key, id, recordContext, r.appendPayload(nil))
	if err != nil {
		return nil, fmt.Errorf("record: sign for %s: %w", id, err)
	}
	return Parse(raw)
}

// Parse reads a signed record and checks its size and form, but neither who sent
// it, nor its times, nor its signature. It copies b. Every error is an [*Error].
func Parse(b []byte) (*Signed, error) {
	e, err := open(b, MaxSigned)
	if err != nil {
		return nil, err
	}
	r, err := parsePayload(e.payload)
	if err != nil {
		return nil, err
	}
	return &Signed{envelope: e, record: r}, nil
}

// Bytes returns the signed record as it was received or signed. The caller does
// not change them.
func (s *Signed) Bytes() []byte { return s.raw }

// Record returns what is said. The caller does not change it.
func (s *Signed) Record() *Record { return &s.record }

// CheckAnnounced returns an [*Error] unless the record may come from a peer over
// its own connection now, where a record with the sequence stored is known; zero
// is none. It costs nothing, so a tracker asks before it verifies. A sequence that
// is far ahead of the time is refused, because nothing could ever follow it.
func (s *Signed) CheckAnnounced(from peer.ID, now time.Time, stored uint64) error {
	switch r := &s.record; {
	case r.Peer != from:
		return refuse(FaultSender, "record of %s came from %s", r.Peer, from)
	case r.Issued.Before(now.Add(-MaxSkew)) || r.Issued.After(now.Add(MaxSkew)):
		return errSkew(r.Issued, now)
	case r.Sequence > latestSequence(r.Issued):
		return refuse(FaultSequence, "sequence %d: at most %d is right for one issued at %s", r.Sequence, latestSequence(r.Issued), r.Issued)
	case r.Sequence <= stored:
		return refuse(FaultSequence, "sequence %d: above %d is right", r.Sequence, stored)
	}
	return nil
}

// CheckListed returns an [*Error] unless the record may be handed out by a
// tracker now. A withdrawal is never handed out.
func (s *Signed) CheckListed(now time.Time) error {
	switch r := &s.record; {
	case r.Issued.After(now.Add(MaxSkew)):
		return errSkew(r.Issued, now)
	case r.Withdrawn():
		return refuse(FaultAge, "withdrawn")
	case r.Issued.Before(now.Add(-MaxAge - MaxSkew)):
		return refuse(FaultAge, "issued at %s: at most %s before now is right", r.Issued, MaxAge)
	}
	return nil
}

func errSkew(issued, now time.Time) error {
	return refuse(FaultSkew, "issued at %s: at most %s from %s is right", issued, MaxSkew, now)
}

// Verify returns an [*Error] unless the record was signed by the peer that it is
// about. It takes about 64 µs with Ed25519.
func (s *Signed) Verify() error { return s.verify(s.record.Peer, recordContext) }
