package wire

import (
	"slices"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/souk-p2p/souk/internal/fields"
	"github.com/souk-p2p/souk/internal/frames"
)

// AppendFrame appends m as one frame to b. A [*MessageError] says that m is
// against the rules, or longer than a frame of its side may be; b is returned as
// it was then.
func AppendFrame(b []byte, m Message) ([]byte, error) {
	if err := m.check(); err != nil {
		return b, messageError(m.Kind(), m.id(), err)
	}
	body := fields.AppendMessage(nil, protowire.Number(m.Kind()), m.appendBody)
	if most := sideOf(m.Kind()).maxFrame(); len(body) > most {
		return b, messageError(m.Kind(), m.id(), tooLong("frame", len(body), most))
	}
	return append(protowire.AppendVarint(b, uint64(len(body))), body...), nil
}

// messageError gives err a kind and a number. What has no fault yet is one of the
// encoding.
func messageError(k Kind, id RequestID, err error) error {
	fault, err := frames.FaultOf(err, FaultEncoding)
	return &MessageError{Fault: fault, Kind: k, ID: id, Err: err}
}

// rowOverhead is at most what a row has besides its record, and frameOverhead
// what a frame has besides its rows, in bytes.
const (
	rowOverhead   = 32
	frameOverhead = 128 + MaxToken
)

// FitRows returns as many of rows, from the first, as a reply or a notice holds.
func FitRows(rows []Row) []Row {
	room := MaxReply - frameOverhead
	for i := range rows {
		if room -= len(rows[i].Record) + rowOverhead; i == MaxRows || room < 0 {
			return rows[:i]
		}
	}
	return rows
}

func appendID(b []byte, id RequestID) []byte { return fields.AppendUint(b, fieldID, uint64(id)) }

func (m *Announce) appendBody(b []byte) []byte {
	return fields.AppendBytes(appendID(b, m.ID), fieldAnnounceRecord, m.Record)
}

func (m *Touch) appendBody(b []byte) []byte {
	b = appendID(b, m.ID)
	for i := range m.Rows {
		b = fields.AppendMessage(b, fieldTouchRows, m.Rows[i].appendBody)
	}
	return b
}

func (t *Touched) appendBody(b []byte) []byte {
	b = fields.AppendBytes(b, fieldTouchedNamespace, string(t.Namespace))
	return fields.AppendUint(b, fieldTouchedSequence, t.Sequence)
}

func (m *Query) appendBody(b []byte) []byte {
	b = m.About.appendFields(appendID(b, m.ID))
	b = fields.AppendUint(b, fieldQueryK, uint64(min(max(m.K, 0), MaxRows)))
	return fields.AppendUint(b, fieldQuerySeed, m.Seed)
}

func (m *Subscribe) appendBody(b []byte) []byte { return m.About.appendFields(appendID(b, m.ID)) }

func (a *About) appendFields(b []byte) []byte {
	b = fields.AppendBytes(b, fieldAboutNamespace, string(a.Namespace))
	if a.Point != nil {
		b = fields.AppendPresentUint(b, fieldAboutPoint, uint64(*a.Point))
	}
	b = fields.AppendBytes(b, fieldAboutKey, a.Key)
	return fields.AppendUint(b, fieldAboutRoles, uint64(a.Roles))
}

func (m *Feedback) appendBody(b []byte) []byte {
	b = fields.AppendBytes(b, fieldFeedbackToken, m.Token)
	for i := range m.Peers {
		b = fields.AppendMessage(b, fieldFeedbackPeers, m.Peers[i].appendBody)
	}
	return b
}

func (j *Judgement) appendBody(b []byte) []byte {
	b = fields.AppendBytes(b, fieldJudgementPeer, string(j.Peer))
	b = fields.AppendUint(b, fieldJudgementOutcome, uint64(j.Outcome))
	for _, c := range j.Samples {
		b = fields.AppendBytes(b, fieldJudgementSamples, c.KeyString())
	}
	return b
}

func (m *Unsubscribe) appendBody(b []byte) []byte { return appendID(b, m.ID) }

func (m *GetTrackers) appendBody(b []byte) []byte {
	return fields.AppendUint(appendID(b, m.ID), fieldGetTrackersKnown, m.Known)
}

func (m *Reply) appendBody(b []byte) []byte {
	b = appendRows(appendID(b, m.ID), fieldReplyRows, m.Rows)
	b = fields.AppendBytes(b, fieldReplyToken, m.Token)
	return m.Refusal.appendTo(b, fieldReplyRefusal)
}

func (m *Receipt) appendBody(b []byte) []byte {
	b = appendID(b, m.ID)
	for i := range m.Refusals {
		b = m.Refusals[i].appendTo(b, fieldReceiptRefusals)
	}
	return b
}

func (m *Notify) appendBody(b []byte) []byte {
	b = appendRows(appendID(b, m.ID), fieldNotifyRows, m.Rows)
	return fields.AppendBool(b, fieldNotifyMore, m.More)
}

func (m *Trackers) appendBody(b []byte) []byte {
	b = fields.AppendBytes(appendID(b, m.ID), fieldTrackersSigned, m.Signed)
	return m.Refusal.appendTo(b, fieldTrackersRefusal)
}

func appendRows(b []byte, num protowire.Number, rows []Row) []byte {
	for i := range rows {
		// The most that is inserted before a row is its length: make room once.
		b = slices.Grow(b, len(rows[i].Record)+rowOverhead)
		b = fields.AppendMessage(b, num, rows[i].appendBody)
	}
	return b
}

func (r *Row) appendBody(b []byte) []byte {
	b = fields.AppendBytes(b, fieldRowRecord, r.Record)
	b = fields.AppendUint(b, fieldRowVerified, uint64(r.Verified))
	b = fields.AppendUint(b, fieldRowUnverified, uint64(r.Unverified&^r.Verified))
	b = fields.AppendUint(b, fieldRowAge, units(r.Age, time.Second, maxRowAge))
	return fields.AppendUint(b, fieldRowScore, uint64(r.Score))
}

// appendTo appends a refusal, and nothing for none.
func (r *Refusal) appendTo(b []byte, num protowire.Number) []byte {
	if r == nil {
		return b
	}
	return fields.AppendMessage(b, num, func(b []byte) []byte {
		b = fields.AppendUint(b, fieldRefusalCode, uint64(r.Code))
		b = fields.AppendUint(b, fieldRefusalItem, uint64(max(r.Item, 0)))
		b = fields.AppendUint(b, fieldRefusalRetry, units(r.RetryAfter, time.Millisecond, maxRetry))
		return fields.AppendUint(b, fieldRefusalStored, r.Stored)
	})
}

// units returns d, clamped to at most most, in whole units.
func units(d, unit, most time.Duration) uint64 { return uint64(min(max(d, 0), most) / unit) }

// duration returns so many units, clamped to at most most.
func duration(n uint64, unit, most time.Duration) time.Duration {
	return time.Duration(min(n, uint64(most/unit))) * unit
}
