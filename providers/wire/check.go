package wire

import (
	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/message"
	"github.com/souk-p2p/souk/providers/record"
)

func (m *Announce) id() RequestID    { return m.ID }
func (m *Touch) id() RequestID       { return m.ID }
func (m *Query) id() RequestID       { return m.ID }
func (m *Feedback) id() RequestID    { return 0 }
func (m *Subscribe) id() RequestID   { return m.ID }
func (m *Unsubscribe) id() RequestID { return m.ID }
func (m *GetTrackers) id() RequestID { return m.ID }
func (m *Reply) id() RequestID       { return m.ID }
func (m *Receipt) id() RequestID     { return m.ID }
func (m *Notify) id() RequestID      { return m.ID }
func (m *Trackers) id() RequestID    { return m.ID }

func (id RequestID) check() error {
	if id == 0 {
		return &faultError{Fault: FaultID, Err: errNoID}
	}
	return nil
}

// first returns the first of errs that is one.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// within returns an error if n is more than most.
func within(what string, n, most int) error {
	if n > most {
		return tooMany(what, most)
	}
	return nil
}

// fits returns an error if there are more than most bytes of b.
func fits(what string, b []byte, most int) error {
	if len(b) > most {
		return tooLong(what, len(b), most)
	}
	return nil
}

func (m *Announce) check() error {
	return first(m.ID.check(), fits("record", m.Record, record.MaxSigned))
}

func (m *Touch) check() error {
	if err := first(m.ID.check(), within("rows", len(m.Rows), MaxTouches)); err != nil {
		return err
	}
	for _, r := range m.Rows {
		if err := checkNamespace(r.Namespace); err != nil {
			return err
		}
	}
	return nil
}

func (m *Query) check() error       { return first(m.ID.check(), m.About.check()) }
func (m *Subscribe) check() error   { return first(m.ID.check(), m.About.check()) }
func (m *Unsubscribe) check() error { return m.ID.check() }
func (m *GetTrackers) check() error { return m.ID.check() }

func (a *About) check() error {
	if a.Point != nil && len(a.Key) > 0 {
		return &faultError{Fault: FaultPoint, Err: errPointAndKey}
	}
	return first(checkNamespace(a.Namespace), fits("key", a.Key, record.MaxKey))
}

func checkNamespace(n record.Namespace) error {
	if err := n.Check(); err != nil {
		return &faultError{Fault: FaultNamespace, Err: err}
	}
	return nil
}

func (m *Feedback) check() error {
	if err := first(fits("token", m.Token, MaxToken), within("peers", len(m.Peers), MaxJudgements)); err != nil {
		return err
	}
	for i := range m.Peers {
		if err := m.Peers[i].check(); err != nil {
			return err
		}
	}
	return nil
}

func (j *Judgement) check() error {
	if _, err := parsePeer([]byte(j.Peer)); err != nil {
		return err
	}
	if err := within("samples", len(j.Samples), MaxSamples); err != nil {
		return err
	}
	for _, c := range j.Samples {
		if err := message.CheckCID(c); err != nil {
			return &faultError{Fault: FaultCID, Err: err}
		}
	}
	return nil
}

func (m *Reply) check() error {
	return first(m.ID.check(), checkRows(m.Rows), fits("token", m.Token, MaxToken), m.Refusal.check())
}

func (m *Receipt) check() error {
	if err := first(m.ID.check(), within("refusals", len(m.Refusals), MaxRefusals)); err != nil {
		return err
	}
	for i := range m.Refusals {
		if err := m.Refusals[i].check(); err != nil {
			return err
		}
	}
	return nil
}

func (r *Refusal) check() error {
	if r == nil {
		return nil
	}
	return within("items", r.Item, MaxTouches-1)
}

func (m *Notify) check() error { return first(m.ID.check(), checkRows(m.Rows)) }

func (m *Trackers) check() error {
	return first(m.ID.check(), fits("list", m.Signed, record.MaxSignedTrackers), m.Refusal.check())
}

func checkRows(rows []Row) error {
	if err := within("rows", len(rows), MaxRows); err != nil {
		return err
	}
	for i := range rows {
		if err := fits("record", rows[i].Record, record.MaxSigned); err != nil {
			return err
		}
	}
	return nil
}

func parsePeer(b []byte) (peer.ID, error) {
	id, err := record.ParsePeer(b)
	if err != nil {
		return "", &faultError{Fault: FaultPeer, Err: err}
	}
	return id, nil
}

func parseCID(b []byte) (cid.Cid, error) {
	if err := fits("cid", b, message.MaxCID); err != nil {
		return cid.Undef, err
	}
	c, err := cid.Cast(b)
	if err == nil {
		err = message.CheckCID(c)
	}
	if err != nil {
		return cid.Undef, &faultError{Fault: FaultCID, Err: err}
	}
	return c, nil
}
