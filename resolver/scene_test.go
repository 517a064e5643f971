package resolver

import (
	"crypto/sha256"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/resolver/wire"
)

const (
	ann  = peer.ID("ann")
	ben  = peer.ID("ben")
	cat  = peer.ID("cat")
	self = peer.ID("self")
)

// scene is a state, what it has asked for, and a clock. After each event it is audited.
type scene struct {
	*state
	t    *testing.T
	now  time.Time
	asks []ask   // that nobody has looked at
	out  effects // everything else, of all events
}

// newScene returns a state whose members are given. Parts have 4 bytes.
func newScene(t *testing.T, l Limits, members ...peer.ID) *scene {
	if l.Part == 0 {
		l.Part = 4
	}
	l = l.withDefaults()
	require.NoError(t, l.validate())
	now := time.Unix(1000, 0)
	r := &scene{state: newState(now, l, self, 1), t: t, now: now}
	r.do(func() { r.setMembers(r.now, members) })
	return r
}

// do lets something happen, and then everything that is due.
func (r *scene) do(event func()) {
	r.t.Helper()
	event()
	r.settle()
	for r.due() {
		r.turn(r.now)
		r.settle()
	}
}

func (r *scene) due() bool {
	wake := r.wake(r.now)
	return !wake.IsZero() && !wake.After(r.now)
}

func (r *scene) settle() {
	r.t.Helper()
	out := r.take()
	require.LessOrEqual(r.t, len(out.asks), 1, "one request a turn")
	r.asks = append(r.asks, out.asks...)
	r.out.jobs = append(r.out.jobs, out.jobs...)
	r.out.failures = append(r.out.failures, out.failures...)
	r.out.replies = append(r.out.replies, out.replies...)
	r.out.measures = append(r.out.measures, out.measures...)
	r.out.blocks = append(r.out.blocks, out.blocks...)
	r.out.endings = append(r.out.endings, out.endings...)
	r.out.cuts = append(r.out.cuts, out.cuts...)
	require.NoError(r.t, r.audit())
}

// pass lets time pass.
func (r *scene) pass(d time.Duration) {
	r.t.Helper()
	end := r.now.Add(d)
	for {
		wake := r.wake(r.now)
		if wake.IsZero() || wake.After(end) {
			r.now = end
			r.do(func() {})
			return
		}
		r.now = wake
		r.do(func() {})
	}
}

// next lets time pass until somebody is asked, and returns the request.
func (r *scene) next() ask {
	r.t.Helper()
	for len(r.asks) == 0 {
		wake := r.wake(r.now)
		require.False(r.t, wake.IsZero(), "nobody will be asked")
		r.now = wake
		r.do(func() {})
	}
	return r.asked()
}

func (r *scene) order(orders ...order) { r.t.Helper(); r.do(func() { r.fetch(r.now, orders) }) }

// plain orders keys of anybody.
func (r *scene) plain(keys ...Key) {
	r.t.Helper()
	for _, k := range keys {
		r.order(order{key: k})
	}
}

func (r *scene) aimed(key Key, targets ...peer.ID) {
	r.t.Helper()
	r.order(order{key: key, targeted: true, targets: targets})
}

// asked is the only request since it was called last.
func (r *scene) asked() ask {
	r.t.Helper()
	all := r.all()
	require.Len(r.t, all, 1)
	return all[0]
}

// all are the requests since it was called last.
func (r *scene) all() []ask {
	all := r.asks
	r.asks = nil
	return all
}

// nobody is asked.
func (r *scene) nobody() { r.t.Helper(); require.Empty(r.t, r.all()) }

func (r *scene) reply(a ask, with answer) {
	r.t.Helper()
	r.do(func() { r.answered(r.now, a.to, a.id, with) })
}

func (r *scene) says(a ask, value string) { r.t.Helper(); r.reply(a, answer{data: []byte(value)}) }

func (r *scene) refuses(a ask, why wire.Code) { r.t.Helper(); r.reply(a, answer{refusal: why}) }

func (r *scene) verdict(key Key, good bool) {
	r.t.Helper()
	r.do(func() { r.judged(r.now, key, good) })
}

// panics has the Consumer say nothing of what a request is answered with.
func (r *scene) panics(a ask) {
	r.t.Helper()
	r.says(a, "v")
	r.do(func() { r.unjudged(r.now, a.key) })
}

// lies has a request answered with what the Consumer refuses.
func (r *scene) lies(a ask) { r.t.Helper(); r.says(a, "lie"); r.verdict(a.key, false) }

// begins is the answer to a request for a value of several parts of 4 bytes.
func begins(text string) answer {
	return answer{data: []byte(text[:4]), size: int64(len(text)), hashes: hashes(text)}
}

func hashes(text string) (all []byte) {
	for len(text) > 0 {
		n := min(4, len(text))
		sum := sha256.Sum256([]byte(text[:n]))
		all, text = append(all, sum[:]...), text[n:]
	}
	return all
}

func (r *scene) blockedPeers() (ids []peer.ID) {
	for _, p := range r.barred {
		ids = append(ids, p.id)
	}
	return ids
}

// performs gives a peer a performance, by what it takes for an answer.
func (r *scene) performs(p peer.ID, takes time.Duration) {
	r.t.Helper()
	for i := range 5 {
		key := Key("performs " + string(p) + string(rune('0'+i)))
		r.aimed(key, p)
		a := r.asked()
		r.now = r.now.Add(takes)
		r.says(a, "v")
		r.verdict(key, true)
	}
}
