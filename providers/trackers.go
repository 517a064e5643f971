package providers

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/internal/actor"
	"github.com/souk-p2p/souk/providers/client"
	"github.com/souk-p2p/souk/providers/wire"
)

// Asker speaks to trackers; a *client.Client does.
type Asker interface {
	// Query returns a tracker's answer, within ctx. It sets q.ID itself.
	Query(ctx context.Context, tracker peer.ID, q wire.Query) (*wire.Reply, error)
	// Feedback tells a tracker how the peers of an answer turned out.
	Feedback(ctx context.Context, tracker peer.ID, f wire.Feedback) error
	// Subscribe calls notice for what is announced until ctx or the stream ends.
	Subscribe(ctx context.Context, tracker peer.ID, about wire.About, notice func(wire.Notify)) error
}

// Trackers tells which trackers there are, and what is known of each; a
// *client.Watch does.
type Trackers interface {
	C() <-chan struct{}
	Take() []client.Tracker
}

// noTrackers is what a directory without trackers follows.
type noTrackers struct{}

func (noTrackers) C() <-chan struct{}     { return nil }
func (noTrackers) Take() []client.Tracker { return nil }

// feedbackTimeout bounds what one message of feedback may take: it is not worth more.
const feedbackTimeout = askTimeout

// askTracker makes one ask, in a goroutine of its own. Life is that of the actor.
func (s *shell) askTracker(life context.Context, a asking) {
	r := answered{ask: a.id, reply: reply{failed: true}}
	r.err = s.guarded(func() error {
		ctx, cancel := context.WithTimeout(life, askTimeout)
		defer cancel()
		from, err := s.cfg.Trackers.Query(ctx, a.tracker, a.query)
		if err != nil {
			return fmt.Errorf("ask tracker %s: %w", a.tracker, err)
		}
		r.reply = s.inspect.reply(time.Now(), a.query.About, a.query.K, from)
		return nil
	})
	s.send(life, r)
}

// deliver sends feedback, in a goroutine of its own.
func (s *shell) deliver(life context.Context, all []*feedback) {
	var done delivered
	for _, f := range all {
		done.err = errors.Join(done.err, s.guarded(func() error {
			ctx, cancel := context.WithTimeout(life, feedbackTimeout)
			defer cancel()
			return s.cfg.Trackers.Feedback(ctx, f.tracker, f.message())
		}))
	}
	s.send(life, done)
}

func (f *feedback) message() wire.Feedback {
	return wire.Feedback{Token: []byte(f.token), Peers: f.peers}
}

// follow keeps one subscription, in a goroutine of its own, until ctx ends.
func (s *shell) follow(life, ctx context.Context, sub subscribed) {
	err := s.guarded(func() error {
		return s.cfg.Trackers.Subscribe(ctx, sub.tracker, sub.about, func(n wire.Notify) {
			s.send(ctx, noticed{sub.id, s.inspect.notice(time.Now(), sub.about, n)})
		})
	})
	s.send(life, unsubscribed{sub.id, err})
}

// guarded recovers a panic in what speaks to trackers.
func (s *shell) guarded(f func() error) error { return actor.Guard("trackers", s.cfg.Panicked, f) }
