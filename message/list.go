package message

import (
	"github.com/ipfs/go-cid"
	"google.golang.org/protobuf/encoding/protowire"
)

// listStep is the number of bytes that are taken from the budget at once for
// the CIDs of small elements.
const listStep = 4 << 10

// wantlist reads a wantlist, or one more piece of it: protobuf merges the
// pieces of a field that comes several times.
func (d *Decoder) wantlist(typ protowire.Type) error {
	n, err := d.in.length(typ, 0)
	if err != nil {
		return err
	}
	for end := d.in.left - n; d.in.left > end; {
		num, typ, err := d.in.tag(end)
		if err != nil {
			return err
		}
		switch num {
		case fieldWantlistEntries:
			err = d.entry(typ, end)
		case fieldWantlistFull:
			err = d.full(typ, end)
		default:
			err = d.in.skip(typ, end)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (d *Decoder) full(typ protowire.Type, end int) error {
	v, err := d.in.number(typ, end)
	d.rest.Full = v != 0
	return err
}

// element reads the head of an entry, a presence or a block and counts it. It
// returns where the element ends.
func (d *Decoder) element(typ protowire.Type, end int) (int, error) {
	n, err := d.in.length(typ, end)
	if err != nil {
		return 0, err
	}
	if d.count++; d.count > d.limits.Elements {
		return 0, &FrameError{Fault: FaultTooMany, Err: errElements}
	}
	return d.in.left - n, nil
}

// entry reads an entry of the wantlist.
func (d *Decoder) entry(typ protowire.Type, end int) error {
	end, err := d.element(typ, end)
	if err != nil {
		return err
	}
	var e wireEntry
	d.scratch = d.scratch[:0]
	for d.in.left > end {
		if err := d.entryField(&e, end); err != nil {
			return err
		}
	}
	if e.wantType != uint64(WantBlock) && e.wantType != uint64(WantHave) {
		return nil // of a version to come: nothing that could be answered
	}
	c, err := d.elementCID(e.cidFault)
	if err != nil || !c.Defined() {
		return err
	}
	added := d.rest.AddEntry(Entry{
		CID:          c,
		Priority:     int32(e.priority),
		Type:         WantType(e.wantType),
		Cancel:       e.cancel != 0,
		SendDontHave: e.sendDontHave != 0,
	})
	d.keep(c, added)
	return nil
}

// wireEntry is an entry as far as it is read; its CID is in the scratch buffer.
type wireEntry struct {
	cidFault                                 Fault
	priority, cancel, wantType, sendDontHave uint64
}

// entryField reads one field of an entry. Of a field that comes several times
// the last counts.
func (d *Decoder) entryField(e *wireEntry, end int) error {
	num, typ, err := d.in.tag(end)
	if err != nil {
		return err
	}
	switch {
	case num == fieldEntryCID:
		e.cidFault, err = d.cidField(typ, end)
	case num == fieldEntryPriority:
		e.priority, err = d.in.number(typ, end)
	case num == fieldEntryCancel:
		e.cancel, err = d.in.number(typ, end)
	case num == fieldEntryWantType && d.version >= V120:
		e.wantType, err = d.enum(typ, end)
	case num == fieldEntrySendDontHave && d.version >= V120:
		e.sendDontHave, err = d.in.number(typ, end)
	default:
		err = d.in.skip(typ, end)
	}
	return err
}

// presence reads a presence.
func (d *Decoder) presence(typ protowire.Type) error {
	end, err := d.element(typ, 0)
	if err != nil {
		return err
	}
	var cidFault Fault
	kind := uint64(presenceHave)
	d.scratch = d.scratch[:0]
	for d.in.left > end {
		num, typ, err := d.in.tag(end)
		if err != nil {
			return err
		}
		switch num {
		case fieldPresenceCID:
			cidFault, err = d.cidField(typ, end)
		case fieldPresenceType:
			kind, err = d.enum(typ, end)
		default:
			err = d.in.skip(typ, end)
		}
		if err != nil {
			return err
		}
	}
	if kind != presenceHave && kind != presenceDontHave {
		return nil // of a version to come
	}
	return d.addPresence(cidFault, kind == presenceHave)
}

func (d *Decoder) addPresence(cidFault Fault, have bool) error {
	c, err := d.elementCID(cidFault)
	if err != nil || !c.Defined() {
		return err
	}
	d.keep(c, d.rest.AddPresence(Presence{CID: c, Have: have}))
	return nil
}

// enum reads the value of an enum, which protobuf cuts to 32 bits.
func (d *Decoder) enum(typ protowire.Type, end int) (uint64, error) {
	v, err := d.in.number(typ, end)
	return uint64(uint32(v)), err
}

// cidField reads a CID into the scratch buffer, unless it is over the limit.
func (d *Decoder) cidField(typ protowire.Type, end int) (Fault, error) {
	n, err := d.in.length(typ, end)
	if err != nil {
		return 0, err
	}
	if n > d.limits.CID {
		return FaultCIDTooLong, d.in.discard(n)
	}
	p, err := d.in.take(n)
	d.scratch = append(d.scratch[:0], p...)
	return 0, err
}

// elementCID returns the CID in the scratch buffer, with memory for it taken
// from the budget. If the element must be skipped it counts the fault and
// returns an undefined CID.
func (d *Decoder) elementCID(fault Fault) (cid.Cid, error) {
	if fault != 0 {
		d.faults[fault]++
		return cid.Undef, nil
	}
	need := d.restSize + len(d.scratch)
	if need > d.listLoan.taken {
		if err := d.listLoan.raise(need + min(d.in.left, listStep)); err != nil {
			return cid.Undef, err
		}
	}
	c, err := cid.Cast(d.scratch)
	if err != nil {
		fault = FaultCID
	} else {
		fault, _ = cidFault(c, d.limits.CID)
	}
	if fault != 0 {
		d.faults[fault]++
		return cid.Undef, nil
	}
	return c, nil
}

// keep accounts for a CID that has become part of the rest.
func (d *Decoder) keep(c cid.Cid, added bool) {
	if added {
		d.restSize += c.ByteLen()
	}
}
