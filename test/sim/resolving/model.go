//go:build simulation

package resolving

import (
	"bytes"
	"errors"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/resolver"
)

// wish is a key as somebody outside of the resolver sees it: who waits for it, whom it
// may be asked of, and what is asked.
type wish struct {
	standing   bool
	callers    map[uint64]bool
	restricted bool
	targets    map[peer.ID]bool
	asks       map[uint64]asked
	judged     []byte // with the Consumer; nil when nothing is
	cancelled  bool   // and the Consumer has a value
}

type asked struct {
	to   peer.ID
	part uint32
	at   time.Time
}

// order takes in what was ordered, by the rules for targets.
func (w *World) order(o resolver.Order) {
	k := w.wishes[o.Key]
	if k == nil || k.cancelled {
		var old []byte
		if k != nil {
			old = k.judged
		}
		k = &wish{callers: make(map[uint64]bool), targets: make(map[peer.ID]bool), asks: make(map[uint64]asked), restricted: o.Targeted, judged: old}
		w.wishes[o.Key] = k
	}
	if !o.Targeted {
		k.restricted = false
		clear(k.targets)
	}
	for _, id := range o.Targets {
		if o.Targeted && k.restricted && !w.blocked(id) && id != Self {
			k.targets[id] = true
		}
	}
	if o.Caller == 0 {
		k.standing = true
	} else {
		k.callers[o.Caller] = true
	}
}

// cancelled takes in that a key was cancelled.
func (w *World) cancelled(key resolver.Key) {
	if k := w.wishes[key]; k != nil && k.judged != nil {
		k.cancelled = true
		clear(k.callers)
	}
}

// Ask is part of resolver.Stage: what is asked must be allowed.
func (w *World) Ask(a resolver.Ask) {
	w.tell("asks %s for %s part %d (%d)", a.To, a.Key, a.Part, a.ID)
	k := w.wishes[a.Key]
	switch {
	case k == nil || k.judged != nil || k.cancelled:
		w.fail("%s is asked for %s, which nobody waits for", a.To, a.Key)
		return
	case !w.members[a.To] || a.To == Self:
		w.fail("%s is asked, and no member", a.To)
	case w.blocked(a.To):
		w.fail("%s is asked, and blocked", a.To)
	case w.paused[a.To].After(w.Now):
		w.fail("%s is asked, and blocked for a while", a.To)
	case k.restricted && !k.targets[a.To]:
		w.fail("%s is asked for %s, and no target", a.To, a.Key)
	}
	w.outstanding(k, a)
	k.asks[a.ID] = asked{a.To, a.Part, w.Now}
	w.askedOf[a.ID] = a.Key
	if w.Loss > 0 && w.Some(50) {
		w.After(time.Millisecond, func() { w.unsent(a) })
		return
	}
	w.Send(a)
}

// unsent says that a request was not sent.
func (w *World) unsent(a resolver.Ask) {
	w.tell("%d is not sent", a.ID)
	w.heard(a.To, a.ID)
	w.Unsent(w.Now, a.ID)
}

// outstanding looks whether a request may be added to those of a key.
func (w *World) outstanding(k *wish, a resolver.Ask) {
	live := 0
	for id, other := range k.asks {
		switch {
		case !other.at.Add(w.timeout).After(w.Now), other.part != a.Part: // Of no use any more: a part came, or it begins again.
			delete(k.asks, id)
		case other.to == a.To:
			w.fail("%s is asked for %s a second time", a.To, a.Key)
		default:
			live++
		}
	}
	if live > 1 {
		w.fail("%s has %d requests already", a.Key, live)
	}
}

// blocked reports whether a peer is blocked, until it is not.
func (w *World) blocked(p peer.ID) bool {
	until, is := w.barred[p]
	return is && (until.IsZero() || until.After(w.Now))
}

// heard takes in that a peer answers what it was asked.
func (w *World) heard(from peer.ID, id uint64) {
	if k := w.wishes[w.askedOf[id]]; k != nil && k.asks[id].to == from {
		delete(k.asks, id)
	}
}

// overAt takes in that the requests at a peer are waited for no longer.
func (w *World) overAt(p peer.ID) {
	for _, k := range w.wishes {
		for id, a := range k.asks {
			if a.to == p {
				delete(k.asks, id)
			}
		}
	}
}

// Blocked is part of resolver.Stage.
func (w *World) Blocked(p peer.ID, hard bool, until time.Time) {
	w.tell("%s is blocked, hard %t", p, hard)
	if !hard {
		w.paused[p] = until
		return
	}
	if w.Peers[p].Nature == Honest && !w.turned[p] {
		w.fail("%s is blocked, and honest", p)
	}
	w.barred[p] = until
	w.After(time.Millisecond, func() { w.partFrom(w.Peers[p]) }) // As the shell does it.
	w.overAt(p)
	for _, k := range w.wishes {
		delete(k.targets, p)
	}
}

// Judge is part of resolver.Stage: the Consumer takes its time.
func (w *World) Judge(key resolver.Key, value []byte) {
	w.tell("the Consumer gets %d bytes for %s", len(value), key)
	k := w.wishes[key]
	if k == nil || k.judged != nil {
		w.fail("%s is judged, and nobody waits for it, or a second time", key)
		return
	}
	k.judged = value
	clear(k.asks)
	w.undelivered += len(value)
	if int64(w.undelivered) > w.Limits.Undelivered {
		w.fail("%d bytes are undelivered, %d may be", w.undelivered, w.Limits.Undelivered)
	}
	w.After(w.Between(0, w.consumes), func() { w.verdict(key, value) })
}

func (w *World) verdict(key resolver.Key, value []byte) {
	if w.panics > 0 && w.Some(w.panics) {
		w.unjudged(key, value)
		return
	}
	good := bytes.Equal(value, w.Values(key).Data)
	w.tell("the Consumer says of %s: %t", key, good)
	w.undelivered -= len(value)
	if good {
		w.completed(key)
	} else if k := w.wishes[key]; k != nil {
		k.judged = nil
	}
	w.Judged(w.Now, key, good)
	if !good {
		w.cancelledAndRefused(key)
	}
}

// unjudged is a Consumer that panics. Nobody may be blocked for that.
func (w *World) unjudged(key resolver.Key, value []byte) {
	w.tell("the Consumer panics at %s", key)
	w.undelivered -= len(value)
	if k := w.wishes[key]; k != nil {
		k.judged = nil
	}
	barred := len(w.barred)
	w.Unjudged(w.Now, key)
	if len(w.barred) > barred {
		w.fail("somebody is blocked, and the Consumer has said nothing of %s", key)
	}
	w.cancelledAndRefused(key)
}

// completed takes in that a key has its value. Its callers get it, and nobody hears that
// it has failed.
func (w *World) completed(key resolver.Key) {
	k := w.wishes[key]
	if k == nil {
		w.fail("%s is judged, and is no more", key)
		return
	}
	for c := range k.callers {
		w.owed[c] = w.Values(key).Data
	}
	delete(w.wishes, key)
	w.done++
}

// cancelledAndRefused ends a wish that was cancelled and that only callers waited for.
func (w *World) cancelledAndRefused(key resolver.Key) {
	if k := w.wishes[key]; k != nil && k.cancelled {
		if k.standing {
			w.fail("%s was cancelled and its value refused, and the Consumer hears nothing", key)
		}
		delete(w.wishes, key)
	}
}

// Failed is part of resolver.Stage.
func (w *World) Failed(key resolver.Key, why error) {
	w.tell("%s fails: %v", key, why)
	k := w.wishes[key]
	var failed *resolver.FetchError
	switch {
	case k == nil || !k.standing:
		w.fail("%s fails, and nobody waits for it", key)
		return
	case !errors.Is(why, resolver.ErrCancelled) && !errors.As(why, &failed):
		w.fail("%s fails without a reason: %v", key, why)
	}
	for c := range k.callers {
		w.owed[c] = nil
	}
	delete(w.wishes, key)
}

// Reply is part of resolver.Stage: a caller hears once.
func (w *World) Reply(caller uint64, key resolver.Key, value []byte, err error) {
	w.tell("caller %d of %s: %d bytes, %v", caller, key, len(value), err)
	if !w.callers[caller] {
		w.fail("caller %d hears a second time, or has left", caller)
	}
	delete(w.callers, caller)
	owed, completed := w.owed[caller]
	delete(w.owed, caller)
	if err == nil && (!completed || !bytes.Equal(owed, value)) {
		w.fail("caller %d gets a value that nobody has verified", caller)
	}
	if k := w.wishes[key]; k != nil {
		delete(k.callers, caller)
		if !k.standing && len(k.callers) == 0 && k.judged == nil {
			delete(w.wishes, key)
		}
	}
}

// Ended is part of resolver.Stage: a fetch is done when its value was found good.
func (w *World) Ended(_ time.Duration, why error) {
	if why == nil {
		w.ended++
	}
	if w.ended > w.done {
		w.fail("%d fetches are done, and the Consumer has found %d good", w.ended, w.done)
	}
}
