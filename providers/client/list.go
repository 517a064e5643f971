package client

import (
	"context"
	"errors"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"go.uber.org/zap"

	"github.com/souk-p2p/souk/providers/record"
	"github.com/souk-p2p/souk/providers/wire"
)

// seekList asks a tracker for its list and verifies that, in a goroutine of its own,
// as any caller does.
func (s *shell) seekList(life context.Context, l seek) {
	o := s.call(life, begin{caller: newCaller(), tracker: l.tracker, message: &wire.GetTrackers{Known: l.known}})
	if o.err != nil {
		s.cfg.Logger.Debug("list of trackers", zap.Stringer("tracker", l.tracker), zap.Error(o.err))
		return
	}
	list, fault := listIn(o.message.(*wire.Trackers), s.cfg.ListKey, time.Now())
	_ = s.inbox.Send(life, listed{o.stream, list, fault}) // Fails only when the client has ended.
}

// listIn returns the list of an answer, or none. An error is a fault of who gave it
// to us.
func listIn(answer *wire.Trackers, signer peer.ID, now time.Time) (*record.SignedTrackers, error) {
	if answer.Refusal != nil || len(answer.Signed) == 0 {
		return nil, nil
	}
	list, err := record.ParseTrackers(answer.Signed)
	if err != nil {
		return nil, err
	}
	var refused *record.Error
	err = list.Verify(signer, now)
	switch {
	case errors.As(err, &refused) && refused.Fault == record.FaultSkew:
		return nil, nil // It may be our clock that is wrong.
	case err != nil:
		return nil, err
	}
	return list, nil
}
