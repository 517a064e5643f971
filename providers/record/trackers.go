package record

import (
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/souk-p2p/souk/internal/fields"
)

// What a list of trackers may be.
const (
	MaxTrackers       = 64       // in a list: more than any set of trackers that one key keeps
	MaxTrackerAddrs   = 4        // of a tracker: two transports over two families
	MaxSignedTrackers = 72 << 10 // bytes of a signed list; the longest one has about 72,000
)

// The fields of a list's payload.
const (
	fieldListSequence = protowire.Number(1)
	fieldListIssued   = protowire.Number(2)
	fieldListTrackers = protowire.Number(3)

	fieldTrackerPeer  = protowire.Number(1)
	fieldTrackerAddrs = protowire.Number(2)
)

// Tracker is one tracker of a list.
type Tracker struct {
	Peer peer.ID
	// Addrs are at most MaxTrackerAddrs. They follow the rules of Record.Addrs.
	Addrs []multiaddr.Multiaddr
}

// Trackers is a list of trackers, which the owner of a key signs and trackers
// serve.
type Trackers struct {
	List     []Tracker // at most MaxTrackers, each peer once
	Sequence uint64    // of two lists of a key the higher one counts
	Issued   time.Time // in whole milliseconds
}

// SignedTrackers is a signed list as it travels. Its list is a claim until
// [SignedTrackers.Verify] has returned nil. It does not change.
type SignedTrackers struct {
	envelope
	trackers Trackers
}

// SignTrackers returns t signed with key. An [*Error] says what in t is against
// the rules, any other error is that of the key.
func SignTrackers(key crypto.PrivKey, t Trackers) (*SignedTrackers, error) {
	id, err := peer.IDFromPrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("record: peer of the list key: %w", err)
	}
	if t.Issued.UnixMilli() < 0 {
		return nil, refuse(FaultSkew, "issued at %s: a time after 1970 is right", t.Issued)
	}
	payload, err := t.payload()
	if err != nil {
		return nil, err
	}
	raw, err := seal(key, id, trackersContext, payload)
	if err != nil {
		return nil, fmt.Errorf("record: sign a list of trackers for %s: %w", id, err)
	}
	return ParseTrackers(raw)
}

func (t *Trackers) payload() ([]byte, error) {
	b := fields.AppendUint(nil, fieldListSequence, t.Sequence)
	b = fields.AppendUint(b, fieldListIssued, uint64(t.Issued.UnixMilli()))
	for _, one := range t.List {
		addrs, err := bareAddrs(one.Addrs, one.Peer, MaxTrackerAddrs)
		if err != nil {
			return nil, err
		}
		b = fields.AppendMessage(b, fieldListTrackers, func(b []byte) []byte {
			b = fields.AppendBytes(b, fieldTrackerPeer, string(one.Peer))
			for _, a := range addrs {
				b = fields.AppendBytes(b, fieldTrackerAddrs, a.Bytes())
			}
			return b
		})
	}
	return b, nil
}

// ParseTrackers reads a signed list and checks its size and form, but neither its
// time nor its signature. It copies b. Every error is an [*Error].
func ParseTrackers(b []byte) (*SignedTrackers, error) {
	e, err := open(b, MaxSignedTrackers)
	if err != nil {
		return nil, err
	}
	s := &SignedTrackers{envelope: e, trackers: Trackers{Issued: time.UnixMilli(0)}}
	if err := fields.Each(e.payload, s.trackers.field); err != nil {
		return nil, asFault(err)
	}
	return s, nil
}

func (t *Trackers) field(f fields.Field) (err error) {
	switch f.Number {
	case fieldListSequence:
		t.Sequence, err = f.Uint()
	case fieldListIssued:
		var ms uint64
		if ms, err = f.Uint(); err == nil {
			t.Issued, err = parseIssued(ms)
		}
	case fieldListTrackers:
		var b []byte
		if b, err = f.Bytes(); err == nil {
			err = t.add(b)
		}
	}
	return err
}

// add reads one tracker.
func (t *Trackers) add(b []byte) error {
	if len(t.List) == MaxTrackers {
		return refuse(FaultTrackers, "more trackers than %d", MaxTrackers)
	}
	one, err := parseTracker(b)
	if err != nil {
		return err
	}
	for _, have := range t.List {
		if have.Peer == one.Peer {
			return refuse(FaultTrackers, "tracker %s: once is right", one.Peer)
		}
	}
	t.List = append(t.List, one)
	return nil
}

func parseTracker(b []byte) (Tracker, error) {
	var one Tracker
	var d draft // for its addresses
	err := fields.Each(b, func(f fields.Field) error {
		if f.Number != fieldTrackerPeer && f.Number != fieldTrackerAddrs {
			return nil
		}
		b, err := f.Bytes()
		switch {
		case err != nil:
			return err
		case f.Number == fieldTrackerAddrs:
			return d.addAddr(b)
		}
		one.Peer, err = ParsePeer(b)
		return err
	})
	switch {
	case err != nil:
		return Tracker{}, err
	case one.Peer == "":
		return Tracker{}, refuse(FaultPeer, "no peer")
	case len(d.addrs) > MaxTrackerAddrs:
		return Tracker{}, refuse(FaultAddrs, "%d addresses: at most %d are right", len(d.addrs), MaxTrackerAddrs)
	}
	one.Addrs, err = parseAddrs(d.addrs, one.Peer)
	return one, err
}

// Bytes returns the signed list as it was received or signed. The caller does not
// change them.
func (s *SignedTrackers) Bytes() []byte { return s.raw }

// Trackers returns the list. The caller does not change it.
func (s *SignedTrackers) Trackers() *Trackers { return &s.trackers }

// Verify returns an [*Error] unless the list was signed by the key of signer, and
// not for a time after now. Which of two lists is newer the caller decides by
// their sequences.
func (s *SignedTrackers) Verify(signer peer.ID, now time.Time) error {
	if issued := s.trackers.Issued; issued.After(now.Add(MaxSkew)) {
		return errSkew(issued, now)
	}
	return s.verify(signer, trackersContext)
}
