package wire

import (
	"math"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/souk-p2p/souk/internal/fields"
	"github.com/souk-p2p/souk/providers/record"
)

// Decode returns the message in the body of a frame that from sent. Bytes in the
// message are parts of body. Every error is a [*MessageError].
func Decode(body []byte, from Side) (Message, error) {
	var kind Kind
	var content []byte
	err := fields.Each(body, func(f fields.Field) error {
		if f.Number > protowire.Number(KindTrackers) {
			return nil
		}
		if kind != 0 {
			return errTwoMessages
		}
		b, err := f.Bytes()
		kind, content = Kind(f.Number), b
		return err
	})
	switch {
	case err != nil:
		return nil, messageError(kind, findID(content), err)
	case kind == 0:
		return nil, messageError(0, 0, &faultError{Fault: FaultUnknown, Err: errUnknown})
	case sideOf(kind) != from:
		return nil, messageError(kind, findID(content), &faultError{Fault: FaultDirection, Err: errDirection})
	}
	return decode(kind, content)
}

func decode(kind Kind, content []byte) (Message, error) {
	m := newMessage(kind)
	err := fields.Each(content, m.field)
	if err == nil {
		err = m.check()
	}
	if err != nil {
		return nil, messageError(kind, findID(content), err)
	}
	return m, nil
}

// decoded is a message that takes in its fields.
type decoded interface {
	Message
	field(fields.Field) error
}

func newMessage(k Kind) decoded {
	switch k {
	case KindAnnounce:
		return new(Announce)
	case KindTouch:
		return new(Touch)
	case KindQuery:
		return new(Query)
	case KindFeedback:
		return new(Feedback)
	case KindSubscribe:
		return new(Subscribe)
	case KindUnsubscribe:
		return new(Unsubscribe)
	case KindGetTrackers:
		return new(GetTrackers)
	case KindReply:
		return new(Reply)
	case KindReceipt:
		return new(Receipt)
	case KindNotify:
		return new(Notify)
	}
	return new(Trackers)
}

// findID returns the number in a message that is refused, so that the refusal says
// what it is of.
func findID(content []byte) RequestID { return RequestID(fields.FindUint(content, fieldID)) }

// list is a list of messages that is being read.
type list[T any] struct {
	what string
	most int
	to   *[]T
}

// add reads one more into the list, unless that has as many as it may.
func (l list[T]) add(f fields.Field, take func(*T, fields.Field) error) error {
	if len(*l.to) == l.most {
		return tooMany(l.what, l.most)
	}
	var zero T
	*l.to = append(*l.to, zero)
	item := &(*l.to)[len(*l.to)-1]
	return f.Message(func(f fields.Field) error { return take(item, f) })
}

func number[T ~uint64](f fields.Field, to *T) error {
	v, err := f.Uint()
	*to = T(v)
	return err
}

// text reads bytes of at most most.
func text(what string, f fields.Field, most int, to *[]byte) error {
	b, err := f.Bytes()
	if err != nil {
		return err
	}
	*to = b
	return fits(what, b, most)
}

func namespace(f fields.Field, to *record.Namespace) error {
	b, err := f.Bytes()
	// One byte over the limit is enough to refuse it and to say so.
	*to = record.Namespace(b[:min(len(b), record.MaxNamespace+1)])
	return err
}

func (m *Announce) field(f fields.Field) error {
	switch f.Number {
	case fieldID:
		return number(f, &m.ID)
	case fieldAnnounceRecord:
		return text("record", f, record.MaxSigned, &m.Record)
	}
	return nil
}

func (m *Touch) field(f fields.Field) error {
	switch f.Number {
	case fieldID:
		return number(f, &m.ID)
	case fieldTouchRows:
		return list[Touched]{"rows", MaxTouches, &m.Rows}.add(f, (*Touched).field)
	}
	return nil
}

func (t *Touched) field(f fields.Field) error {
	switch f.Number {
	case fieldTouchedNamespace:
		return namespace(f, &t.Namespace)
	case fieldTouchedSequence:
		return number(f, &t.Sequence)
	}
	return nil
}

func (m *Query) field(f fields.Field) error {
	switch f.Number {
	case fieldID:
		return number(f, &m.ID)
	case fieldQueryK:
		var k uint64
		err := number(f, &k)
		m.K = int(min(k, MaxRows))
		return err
	case fieldQuerySeed:
		return number(f, &m.Seed)
	}
	return m.About.field(f)
}

func (m *Subscribe) field(f fields.Field) error {
	if f.Number == fieldID {
		return number(f, &m.ID)
	}
	return m.About.field(f)
}

func (a *About) field(f fields.Field) error {
	switch f.Number {
	case fieldAboutNamespace:
		return namespace(f, &a.Namespace)
	case fieldAboutPoint:
		return a.point(f)
	case fieldAboutKey:
		return text("key", f, record.MaxKey, &a.Key)
	case fieldAboutRoles:
		return number(f, &a.Roles)
	}
	return nil
}

func (a *About) point(f fields.Field) error {
	v, err := f.Uint()
	if err != nil {
		return err
	}
	if v > math.MaxUint16 {
		return refuse(FaultPoint, "point %d: at most %d is right", v, math.MaxUint16)
	}
	p := record.Point(v)
	a.Point = &p
	return nil
}

func (m *Feedback) field(f fields.Field) error {
	switch f.Number {
	case fieldFeedbackToken:
		return text("token", f, MaxToken, &m.Token)
	case fieldFeedbackPeers:
		return m.judgement(f)
	}
	return nil
}

// judgement reads one, and passes over it when its outcome is not known here.
func (m *Feedback) judgement(f fields.Field) error {
	if err := (list[Judgement]{"peers", MaxJudgements, &m.Peers}).add(f, (*Judgement).field); err != nil {
		return err
	}
	last := len(m.Peers) - 1
	if o := m.Peers[last].Outcome; o != 0 && o < outcomes {
		return nil
	}
	if m.Peers = m.Peers[:last]; last == 0 {
		m.Peers = nil
	}
	return nil
}

func (j *Judgement) field(f fields.Field) error {
	switch f.Number {
	case fieldJudgementPeer:
		b, err := f.Bytes()
		if err == nil {
			j.Peer, err = parsePeer(b)
		}
		return err
	case fieldJudgementOutcome:
		v, err := f.Uint()
		j.Outcome = Outcome(min(v, uint64(outcomes)))
		return err
	case fieldJudgementSamples:
		return j.sample(f)
	}
	return nil
}

func (j *Judgement) sample(f fields.Field) error {
	b, err := f.Bytes()
	if err != nil {
		return err
	}
	if len(j.Samples) == MaxSamples {
		return tooMany("samples", MaxSamples)
	}
	c, err := parseCID(b)
	if err != nil {
		return err
	}
	j.Samples = append(j.Samples, c)
	return nil
}

func (m *Unsubscribe) field(f fields.Field) error {
	if f.Number == fieldID {
		return number(f, &m.ID)
	}
	return nil
}

func (m *GetTrackers) field(f fields.Field) error {
	switch f.Number {
	case fieldID:
		return number(f, &m.ID)
	case fieldGetTrackersKnown:
		return number(f, &m.Known)
	}
	return nil
}

func (m *Reply) field(f fields.Field) error {
	switch f.Number {
	case fieldID:
		return number(f, &m.ID)
	case fieldReplyRows:
		return addRow(f, &m.Rows)
	case fieldReplyToken:
		return text("token", f, MaxToken, &m.Token)
	case fieldReplyRefusal:
		return refusal(f, &m.Refusal)
	}
	return nil
}

func (m *Receipt) field(f fields.Field) error {
	switch f.Number {
	case fieldID:
		return number(f, &m.ID)
	case fieldReceiptRefusals:
		return list[Refusal]{"refusals", MaxRefusals, &m.Refusals}.add(f, (*Refusal).field)
	}
	return nil
}

func (m *Notify) field(f fields.Field) error {
	switch f.Number {
	case fieldID:
		return number(f, &m.ID)
	case fieldNotifyRows:
		return addRow(f, &m.Rows)
	case fieldNotifyMore:
		v, err := f.Uint()
		m.More = v != 0
		return err
	}
	return nil
}

func (m *Trackers) field(f fields.Field) error {
	switch f.Number {
	case fieldID:
		return number(f, &m.ID)
	case fieldTrackersSigned:
		return text("list", f, record.MaxSignedTrackers, &m.Signed)
	case fieldTrackersRefusal:
		return refusal(f, &m.Refusal)
	}
	return nil
}

// addRow reads one more row. What is verified is not unverified as well.
func addRow(f fields.Field, to *[]Row) error {
	if err := (list[Row]{"rows", MaxRows, to}).add(f, (*Row).field); err != nil {
		return err
	}
	last := &(*to)[len(*to)-1]
	last.Unverified &^= last.Verified
	return nil
}

func refusal(f fields.Field, to **Refusal) error {
	*to = new(Refusal)
	return f.Message((*to).field)
}

func (r *Row) field(f fields.Field) error {
	if f.Number == fieldRowRecord {
		return text("record", f, record.MaxSigned, &r.Record)
	}
	if f.Number > fieldRowScore {
		return nil
	}
	v, err := f.Uint()
	switch f.Number {
	case fieldRowVerified:
		r.Verified = record.AddrSet(v)
	case fieldRowUnverified:
		r.Unverified = record.AddrSet(v)
	case fieldRowAge:
		r.Age = duration(v, time.Second, maxRowAge)
	case fieldRowScore:
		r.Score = 0
		if v < uint64(scores) {
			r.Score = Score(v)
		}
	}
	return err
}

func (r *Refusal) field(f fields.Field) error {
	if f.Number > fieldRefusalStored {
		return nil
	}
	v, err := f.Uint()
	switch f.Number {
	case fieldRefusalCode:
		r.Code = CodeOther
		if v < uint64(codes) {
			r.Code = Code(v)
		}
	case fieldRefusalItem:
		r.Item = int(min(v, MaxTouches))
	case fieldRefusalRetry:
		r.RetryAfter = duration(v, time.Millisecond, maxRetry)
	case fieldRefusalStored:
		r.Stored = v
	}
	return err
}
