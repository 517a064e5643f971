//go:build simulation

package resolving

import (
	"math/rand/v2"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/resolver"
)

// script is what the dice have chosen for a run.
type script struct {
	peers, keys int
	bad         int // peers of ten that are not honest
	popular     int // peers that are the targets
	loss        float64
	latency     time.Duration
	jitter      time.Duration
	consumes    time.Duration
	largest     int // value
	panics      int // of the Consumer, at one of so many values; 0 for none
	storm       time.Duration
	orders      int
	limits      resolver.Limits
}

func newScript(seed uint64) script {
	dice := rand.New(rand.NewPCG(seed, 0x5c_21_97))
	pick := func(n int) bool { return dice.IntN(n) == 0 }
	s := script{
		bad: 1 + dice.IntN(5), popular: 5 + dice.IntN(60),
		peers: 500, keys: 10 + dice.IntN(50), loss: 0.5, latency: 100 * time.Millisecond, jitter: 20 * time.Millisecond,
		consumes: 200 * time.Millisecond, largest: 64, storm: 10 * time.Second, orders: 60,
		limits: resolver.Limits{Timeout: time.Second, Part: 64, MaxValue: 1024, Undelivered: 4096, Outstanding: 1 + dice.IntN(4)},
	}
	if pick(2) {
		s.largest = 512
	}
	if pick(3) {
		s.limits.Undelivered = s.limits.MaxValue
	}
	if pick(3) {
		s.limits.Rate, s.limits.Burst = 0.5, 1
	}
	if pick(3) {
		s.limits.Hedge = -1
	}
	if pick(3) {
		s.limits.BlockFor = 5 * time.Second
	}
	if pick(3) {
		s.consumes = 3 * time.Second
	}
	if pick(3) {
		s.panics = 4
	}
	return s
}

// schedule lets the orders and the faults happen.
func (w *World) schedule() {
	w.churn()
	for range w.script.orders {
		w.After(w.Between(0, w.script.storm), w.act)
	}
	for at := time.Second; at < w.script.storm; at += time.Second {
		w.After(at, w.churn)
	}
}

// act is one thing that a user or the network does.
func (w *World) act() {
	switch w.Dice.IntN(14) {
	case 0, 1, 2:
		w.fetch(func(*resolver.Order) {})
	case 3, 4, 5:
		w.fetch(func(o *resolver.Order) { o.Targeted, o.Targets = true, w.some() })
	case 6:
		w.fetch(func(o *resolver.Order) { o.Deadline = w.Now.Add(w.Between(0, 3*time.Second)) })
	case 7:
		w.fetch(func(o *resolver.Order) { o.Attempts = 1 + w.Dice.IntN(4) })
	case 8, 9:
		w.get()
	case 10, 11:
		w.cancelSome()
	case 12:
		w.part()
	default:
		w.rare()
	}
}

// rare is what happens seldom.
func (w *World) rare() {
	switch w.Dice.IntN(4) {
	case 0:
		w.tell("clear")
		for _, k := range w.keys {
			w.cancelled(k)
		}
		w.Clear(w.Now)
	case 1:
		odd := byte(w.Dice.IntN(2))
		w.tell("retain %d", odd)
		keep := func(k resolver.Key) bool { return k[1]%2 == odd }
		for _, k := range w.keys {
			if !keep(k) {
				w.cancelled(k)
			}
		}
		w.Retain(w.Now, keep)
	default:
		w.unblock(w.anyPeer().ID)
	}
}

func (w *World) unblock(p peer.ID) {
	w.tell("unblock %s", p)
	delete(w.barred, p)
	delete(w.paused, p)
	w.Unblock(w.Now, p)
}

func (w *World) anyPeer() *Peer { return w.ByOrder[w.Dice.IntN(len(w.ByOrder))] }

func (w *World) anyKey() resolver.Key { return w.keys[w.Dice.IntN(len(w.keys))] }

// some are a few peers, members or not, and now and then the resolver itself.
func (w *World) some() []peer.ID {
	var ids []peer.ID
	for range w.Dice.IntN(6) {
		ids = append(ids, w.ByOrder[w.Dice.IntN(w.script.popular)].ID)
	}
	if w.Some(10) {
		ids = append(ids, Self)
	}
	return ids
}

// fetch orders a few keys, each as the change says.
func (w *World) fetch(change func(*resolver.Order)) {
	var orders []resolver.Order
	for range 1 + w.Dice.IntN(8) {
		o := resolver.Order{Key: w.anyKey()}
		change(&o)
		w.tell("order %s targeted %t %v, attempts %d", o.Key, o.Targeted, o.Targets, o.Attempts)
		w.order(o)
		orders = append(orders, o)
	}
	w.Fetch(w.Now, orders...)
}

// get is a caller, who may not wait for the end.
func (w *World) get() {
	w.caller++
	me := w.caller
	w.callers[me] = true
	var key resolver.Key
	w.fetch(func(o *resolver.Order) {
		if key == "" {
			key, o.Caller = o.Key, me
		}
	})
	if w.Some(2) {
		w.After(w.Between(0, 2*time.Second), func() { w.leave(me, key) })
	}
}

func (w *World) leave(caller uint64, key resolver.Key) {
	if !w.callers[caller] {
		return
	}
	w.tell("caller %d leaves %s", caller, key)
	delete(w.callers, caller)
	if k := w.wishes[key]; k != nil {
		delete(k.callers, caller)
		if !k.standing && len(k.callers) == 0 {
			if k.judged != nil {
				k.cancelled = true
			} else {
				delete(w.wishes, key)
			}
		}
	}
	w.Leave(w.Now, caller, key)
}

func (w *World) cancelSome() {
	var keys []resolver.Key
	for range 1 + w.Dice.IntN(3) {
		key := w.anyKey()
		w.tell("cancel %s", key)
		w.cancelled(key)
		keys = append(keys, key)
	}
	w.Cancel(w.Now, keys...)
}

// part lets a stream end, or a request not be sent.
func (w *World) part() {
	w.partFrom(w.anyPeer())
}

func (w *World) partFrom(p *Peer) {
	w.tell("%s parts", p.ID)
	w.overAt(p.ID)
	w.Part(p)
}

// churn changes who is a member.
func (w *World) churn() {
	var ids []peer.ID
	for _, p := range w.ByOrder {
		if len(w.members) == 0 || !w.Some(10) {
			w.members[p.ID] = w.members[p.ID] || !w.Some(5)
		} else {
			w.members[p.ID] = !w.members[p.ID]
		}
		if w.members[p.ID] {
			ids = append(ids, p.ID)
		}
	}
	w.tell("%d members", len(ids))
	w.Members(w.Now, ids)
}
