package record

import (
	"encoding/binary"
	"math"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/souk-p2p/souk/internal/fields"
)

// MaxPeer is the length of a peer's identity in bytes at most; today's have up
// to 42.
const MaxPeer = 64

// The fields of a record's payload.
const (
	fieldPeer      = protowire.Number(1)
	fieldNamespace = protowire.Number(2)
	fieldSequence  = protowire.Number(3)
	fieldIssued    = protowire.Number(4)
	fieldTTL       = protowire.Number(5)
	fieldRanges    = protowire.Number(6)
	fieldKeys      = protowire.Number(7)
	fieldComplete  = protowire.Number(8)
	fieldRoles     = protowire.Number(9)
	fieldCapacity  = protowire.Number(10)
	fieldAddrs     = protowire.Number(11)

	fieldKeyFrom = protowire.Number(1)
	fieldKeyTo   = protowire.Number(2)
)

// rangeSize is a range on the wire in bytes, a packed fixed32: the first point
// in the upper half.
const rangeSize = 4

func (r *Record) appendPayload(b []byte) []byte {
	b = fields.AppendBytes(b, fieldPeer, string(r.Peer))
	b = fields.AppendBytes(b, fieldNamespace, string(r.Namespace))
	b = fields.AppendUint(b, fieldSequence, r.Sequence)
	b = fields.AppendUint(b, fieldIssued, uint64(r.Issued.UnixMilli()))
	b = fields.AppendUint(b, fieldTTL, ttlSeconds(r.TTL))
	if !r.Ranges.Everything() {
		b = fields.AppendMessage(b, fieldRanges, r.Ranges.appendPacked)
	}
	for k := range r.Keys.All() {
		b = fields.AppendMessage(b, fieldKeys, k.appendFields)
	}
	b = fields.AppendBool(b, fieldComplete, r.Complete)
	b = fields.AppendUint(b, fieldRoles, uint64(r.Roles))
	b = fields.AppendUint(b, fieldCapacity, uint64(r.Capacity))
	for _, a := range r.Addrs {
		b = fields.AppendBytes(b, fieldAddrs, a.Bytes())
	}
	return b
}

func (r Ranges) appendPacked(b []byte) []byte {
	for _, have := range r.list {
		b = binary.LittleEndian.AppendUint32(b, uint32(have.From)<<16|uint32(have.To))
	}
	return b
}

func (r KeyRange) appendFields(b []byte) []byte {
	b = fields.AppendBytes(b, fieldKeyFrom, r.From)
	return fields.AppendBytes(b, fieldKeyTo, r.To)
}

// draft is a record that is being read: its lists come in pieces.
type draft struct {
	Record
	ranges []Range
	keys   []KeyRange
	addrs  [][]byte
}

// parsePayload reads and checks what a payload says. Nothing of the result is a
// part of b.
func parsePayload(b []byte) (Record, error) {
	var d draft
	if err := fields.Each(b, d.field); err != nil {
		return Record{}, asFault(err)
	}
	if err := d.finish(); err != nil {
		return Record{}, err
	}
	return d.Record, nil
}

func (d *draft) field(f fields.Field) error {
	switch f.Number {
	case fieldPeer, fieldNamespace, fieldRanges, fieldKeys, fieldAddrs:
		b, err := f.Bytes()
		if err != nil {
			return err
		}
		return d.bytesField(f.Number, b)
	case fieldSequence, fieldIssued, fieldTTL, fieldComplete, fieldRoles, fieldCapacity:
		v, err := f.Uint()
		if err != nil {
			return err
		}
		return d.uintField(f.Number, v)
	}
	return nil
}

func (d *draft) bytesField(num protowire.Number, b []byte) (err error) {
	switch num {
	case fieldPeer:
		d.Peer, err = ParsePeer(b)
	case fieldNamespace:
		// One byte over the limit is enough to refuse it and to say so.
		d.Namespace = Namespace(b[:min(len(b), MaxNamespace+1)])
	case fieldRanges:
		return d.addRanges(b)
	case fieldKeys:
		return d.addKeys(b)
	case fieldAddrs:
		return d.addAddr(b)
	}
	return err
}

func (d *draft) uintField(num protowire.Number, v uint64) error {
	switch num {
	case fieldSequence:
		d.Sequence = v
	case fieldIssued:
		return d.issued(v)
	case fieldTTL:
		d.TTL = clampTTL(v)
	case fieldComplete:
		d.Complete = protowire.DecodeBool(v)
	case fieldRoles:
		d.Roles = Roles(v)
	case fieldCapacity:
		d.Capacity = uint32(min(v, math.MaxUint32))
	}
	return nil
}

func (d *draft) issued(ms uint64) (err error) {
	d.Issued, err = parseIssued(ms)
	return err
}

// parseIssued returns a time in Unix milliseconds. No clock is near one that does
// not fit.
func parseIssued(ms uint64) (time.Time, error) {
	if ms > math.MaxInt64 {
		return time.Time{}, refuse(FaultSkew, "issued at %d ms: at most %d are right", ms, int64(math.MaxInt64))
	}
	return time.UnixMilli(int64(ms)), nil
}

// ParsePeer reads a peer's identity. An [*Error] with [FaultPeer] says that it is
// none, or longer than [MaxPeer].
func ParsePeer(b []byte) (peer.ID, error) {
	if len(b) > MaxPeer {
		return "", refuse(FaultPeer, "peer of %d bytes: at most %d are right", len(b), MaxPeer)
	}
	id, err := peer.IDFromBytes(b)
	if err != nil {
		return "", refuse(FaultPeer, "peer %x: %v", b, err)
	}
	return id, nil
}

func (d *draft) addRanges(b []byte) error {
	n := len(b) / rangeSize
	if len(b)%rangeSize != 0 || n > MaxRanges-len(d.ranges) {
		return refuse(FaultRanges, "%d bytes more of ranges: at most %d ranges of %d bytes are right", len(b), MaxRanges, rangeSize)
	}
	for ; len(b) > 0; b = b[rangeSize:] {
		v := binary.LittleEndian.Uint32(b)
		d.ranges = append(d.ranges, Range{From: Point(v >> 16), To: Point(v)})
	}
	return nil
}

func (d *draft) addKeys(b []byte) error {
	if len(d.keys) == MaxKeyRanges {
		return refuse(FaultKeys, "more key ranges than %d", MaxKeyRanges)
	}
	var r KeyRange
	err := fields.Each(b, func(f fields.Field) error {
		switch f.Number {
		case fieldKeyFrom:
			return keyBound(f, &r.From)
		case fieldKeyTo:
			return keyBound(f, &r.To)
		}
		return nil
	})
	d.keys = append(d.keys, r)
	return err
}

func keyBound(f fields.Field, to *string) error {
	b, err := f.Bytes()
	if err != nil {
		return err
	}
	if len(b) > MaxKey {
		return refuse(FaultKeys, "bound of %d bytes: at most %d are right", len(b), MaxKey)
	}
	*to = string(b)
	return nil
}

func (d *draft) addAddr(b []byte) error {
	if len(d.addrs) == MaxAddrs {
		return refuse(FaultAddrs, "more addresses than %d", MaxAddrs)
	}
	if len(b) > MaxAddr {
		return refuse(FaultAddrs, "address of %d bytes: at most %d are right", len(b), MaxAddr)
	}
	d.addrs = append(d.addrs, b)
	return nil
}

// finish checks and puts together what depends on several fields.
func (d *draft) finish() (err error) {
	if d.Peer == "" {
		return refuse(FaultPeer, "no peer")
	}
	if err := d.Namespace.Check(); err != nil {
		return err
	}
	if len(d.ranges) > 0 && len(d.keys) > 0 {
		return errBothKinds()
	}
	if d.Ranges, err = NewRanges(d.ranges...); err != nil {
		return err
	}
	if d.Keys, err = NewKeyRanges(d.keys...); err != nil {
		return err
	}
	if d.Issued.IsZero() {
		d.Issued = time.UnixMilli(0)
	}
	d.Addrs, err = parseAddrs(d.addrs, d.Peer)
	return err
}

func errBothKinds() error {
	return refuse(FaultKeys, "ranges of points and of keys in one record: one kind is right")
}
