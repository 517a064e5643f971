package client

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/souk-p2p/souk/providers/wire"
)

// audit recounts what the state keeps twice, and returns what is wrong.
func (s *state) audit() error {
	sorted := slices.IsSortedFunc(s.order, func(a, b *line) int { return strings.Compare(string(a.info.ID), string(b.info.ID)) })
	if len(s.order) != len(s.lines) || !sorted {
		return fmt.Errorf("%d trackers are in order, or not, and %d are known", len(s.order), len(s.lines))
	}
	for _, l := range s.order {
		if err := s.auditLine(l); err != nil {
			return fmt.Errorf("tracker %s: %w", l.info.ID, err)
		}
	}
	calls := 0
	for id, st := range s.streams {
		calls += len(st.calls)
		if err := s.auditStream(st); err != nil {
			return fmt.Errorf("stream %d: %w", id, err)
		}
	}
	if calls != len(s.calls) {
		return fmt.Errorf("%d calls are on streams, and there are %d", calls, len(s.calls))
	}
	return nil
}

func (s *state) auditLine(l *line) error {
	subscribed := l.stream != nil && l.stream.begun() > 0
	switch {
	case l.gone || s.lines[l.info.ID] != l:
		return fmt.Errorf("it is gone, and in the set")
	case l.stream != nil && s.streams[l.stream.id] != l.stream:
		return fmt.Errorf("its stream has ended")
	case l.stake.held != (subscribed || len(l.stake.leases) > 0):
		return fmt.Errorf("held is %t, with %d rows there", l.stake.held, len(l.stake.leases))
	}
	for _, row := range l.stake.leases {
		if !s.wakesBy(row.until) && !s.outlived(l, row) {
			return fmt.Errorf("a row that ends at %s would not be noticed", row.until)
		}
	}
	return nil
}

// outlived reports whether another row of the line lasts longer, which is when the
// line is looked at.
func (s *state) outlived(l *line, row lease) bool {
	for _, other := range l.stake.leases {
		if other.until.After(row.until) {
			return true
		}
	}
	return false
}

func (s *state) wakesBy(at time.Time) bool { return !s.next.IsZero() && !s.next.After(at) }

func (s *state) auditStream(st *stream) error {
	switch {
	case st.resting == (st.line.stream == st):
		return fmt.Errorf("resting is %t, and so is its use", st.resting)
	case st.resting && (st.busy() || len(st.row) > 0):
		return fmt.Errorf("%d calls are on a stream that takes none", len(st.calls))
	case st.writing && !st.open, st.open && !st.writing && len(st.row) > 0:
		return fmt.Errorf("%d frames wait for a writer that is not there, or has nothing to do", len(st.row))
	case st.open && !st.busy() && !s.wakesBy(st.due):
		return fmt.Errorf("it would not end at %s", st.due)
	case st.subscriptions() > wire.MaxSubscriptions || st.owed < 0:
		return fmt.Errorf("%d subscriptions, %d answers to nobody", st.subscriptions(), st.owed)
	}
	waiting := make(map[wire.RequestID]bool)
	for _, f := range st.row {
		if f.number == 0 {
			continue // It ends a subscription.
		}
		if c := st.calls[f.number]; c == nil || !c.sent.IsZero() || waiting[f.number] {
			return fmt.Errorf("request %d waits for the writer, and should not", f.number)
		}
		waiting[f.number] = true
	}
	for n, c := range st.calls {
		if s.calls[c.id] != c || c.stream != st || c.number != n || c.begun && c.sent.IsZero() || c.sent.IsZero() != waiting[n] {
			return fmt.Errorf("call %d is not what it is listed as", c.id)
		}
	}
	return nil
}
