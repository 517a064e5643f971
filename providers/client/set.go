package client

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
	"go.uber.org/zap"

	"github.com/souk-p2p/souk/providers/record"
	"github.com/souk-p2p/souk/providers/wire"
)

// listEvery is how often a tracker is asked for its list of trackers, over one
// connection: a new list is signed by hand.
const listEvery = time.Hour

// Watch gives one follower the set of trackers and how they are.
type Watch struct {
	c       *Client
	changed chan struct{}
}

// Watch returns a new follower, whose C delivers at once.
func (c *Client) Watch() *Watch {
	w := &Watch{c: c, changed: make(chan struct{}, 1)}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.watches = append(c.watches, w)
	w.note()
	return w
}

// C delivers when something has changed since the last Take. It is never closed.
func (w *Watch) C() <-chan struct{} { return w.changed }

// Take returns the whole set, in the order of the ids. It belongs to the caller.
func (w *Watch) Take() []Tracker { return w.c.Trackers() }

// Trackers returns the whole set, in the order of the ids. It belongs to the
// caller.
func (c *Client) Trackers() []Tracker {
	c.mu.Lock()
	defer c.mu.Unlock()
	set := make([]Tracker, 0, len(c.lines))
	for _, id := range slices.Sorted(maps.Keys(c.lines)) {
		set = append(set, c.lines[id].tracker())
	}
	return set
}

func (w *Watch) note() {
	select {
	case w.changed <- struct{}{}:
	default: // It has not looked since the last change.
	}
}

// tell notes in every watch that something has changed. The caller holds the lock.
func (c *Client) tell() {
	for _, w := range c.watches {
		w.note()
	}
}

// maxAdded bounds the trackers that were added while the client runs, as many as a
// list has.
const maxAdded = record.MaxTrackers

// Add puts trackers into the set, as if they were pinned. Beyond 64 of them it
// refuses all with [ErrTooMany].
func (c *Client) Add(trackers ...peer.AddrInfo) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	added := slices.Clone(c.added)
	for _, t := range trackers {
		i := slices.IndexFunc(added, func(o peer.AddrInfo) bool { return o.ID == t.ID })
		if i < 0 {
			i, added = len(added), append(added, peer.AddrInfo{ID: t.ID})
		}
		added[i].Addrs = t.Addrs // The last word: a tracker may have moved.
	}
	switch {
	case c.ended:
		return ErrClosed
	case len(added) > maxAdded:
		return ErrTooMany
	}
	c.added = added
	c.gather()
	return nil
}

// gather makes the set of the pinned trackers, those that were added and those of
// the list. Before the client is used, or under its lock.
func (c *Client) gather() {
	set := make(map[peer.ID][]multiaddr.Multiaddr)
	for _, p := range slices.Concat(c.cfg.Pinned, c.added) {
		set[p.ID] = union(set[p.ID], p.Addrs)
	}
	if c.list != nil {
		for _, t := range c.list.Trackers().List {
			set[t.Peer] = union(set[t.Peer], t.Addrs)
		}
	}
	delete(set, "")
	if !c.cfg.Tracker {
		delete(set, c.cfg.Self)
	}
	for id, addrs := range set {
		if c.lines[id] == nil {
			c.lines[id] = &line{c: c, info: peer.AddrInfo{ID: id}}
		}
		c.lines[id].info.Addrs = addrs
	}
	for id, l := range c.lines {
		if _, stays := set[id]; !stays {
			delete(c.lines, id)
			c.hangUp(l, ErrUnknown)
		}
	}
	c.tell()
}

// union appends those addresses that are not there yet.
func union(have, more []multiaddr.Multiaddr) []multiaddr.Multiaddr {
	for _, a := range more {
		if len(a) > 0 && !slices.ContainsFunc(have, a.Equal) {
			have = append(have, a)
		}
	}
	return have
}

// seekList asks the tracker for its list, with the first use of a connection and
// then once in a while.
func (l *line) seekList() {
	c := l.c
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if c.cfg.ListKey == "" || c.ended || !l.asked.IsZero() && now.Sub(l.asked) < listEvery {
		return
	}
	l.asked = now
	c.crew.Go(func() {
		if err := l.getList(c.ctx); err != nil {
			c.log.Debug("list of trackers", zap.Stringer("tracker", l.info.ID), zap.Error(err))
		}
	})
}

// getList asks for the list and takes it over when it is newer than what is known.
func (l *line) getList(ctx context.Context) error {
	known := l.c.known()
	x := &exchange{kind: wire.KindTrackers, make: func(id wire.RequestID) wire.Message {
		return &wire.GetTrackers{ID: id, Known: known}
	}}
	m, err := l.ask(ctx, x)
	if err != nil {
		return err
	}
	answer := m.(*wire.Trackers)
	if answer.Refusal == nil && len(answer.Signed) > 0 {
		if err := l.c.takeList(answer.Signed); err != nil {
			return x.stream.broke(err)
		}
	}
	l.answered(x)
	return nil
}

// known returns the sequence of the list that we have.
func (c *Client) known() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.list == nil {
		return 0
	}
	return c.list.Trackers().Sequence
}

// takeList takes over a signed list, unless what we have is as new. An error is a
// fault of who gave it to us.
func (c *Client) takeList(signed []byte) error {
	list, err := record.ParseTrackers(signed)
	if err != nil {
		return err
	}
	var refused *record.Error
	err = list.Verify(c.cfg.ListKey, time.Now())
	switch {
	case errors.As(err, &refused) && refused.Fault == record.FaultSkew:
		return nil // It may be our clock that is wrong.
	case err != nil:
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended || c.list != nil && list.Trackers().Sequence <= c.list.Trackers().Sequence {
		return nil
	}
	c.list = list
	c.gather()
	return nil
}
