package wantmanager

import (
	"time"

	"github.com/souk-p2p/souk/message"
)

// leastPause is between two looks at a window: wants that come sooner after each
// other travel in one packet as well.
const leastPause = time.Millisecond

// Readers say how much of a block has come when it is this much, and this long after
// they last said something.
const (
	unheardBytes = 32 << 10
	unheardTime  = 5 * time.Millisecond
)

// toCome is how much of the bytes that were asked for is still to come.
func (w *window) toCome(now time.Time, asked int) int {
	if w.sizes == 0 {
		return asked
	}
	return max(asked-w.part-w.expected(now.Sub(w.arrivedAt)), 0)
}

// expected is what comes in a time without news. Readers say so when more than that
// has come: from a peer that many ask nothing comes for long, and then a block.
func (w *window) expected(d time.Duration) int {
	rate := w.rate.highest()
	return min(int(rate*d.Seconds()), max(unheardBytes, int(rate*unheardTime.Seconds())), w.block)
}

// until is after how long so many bytes fewer are to come, or 0 when that is not
// to be expected without news.
func (w *window) until(now time.Time, bytes int) time.Duration {
	rate := w.rate.highest()
	if rate == 0 {
		return 0
	}
	wait := time.Duration(float64(bytes) / rate * float64(time.Second))
	silent := now.Sub(w.arrivedAt)
	if w.expected(silent+wait)-w.expected(silent) < bytes-1 {
		return 0
	}
	return wait
}

// pace notes that a block was asked for. What is asked for at once is sent at once,
// into the queue of a path that was idle before, and answered and asked for at once
// the next time, too. So blocks are asked for hardly faster than they may come, but
// for those of one message. In the startup, what may come is not known yet, but the
// first window was asked for at once as well. Nor are the first few sizes a mean to
// go by: a tree's root may be several times as long as its leaves.
func (w *window) pace(now time.Time, all *traffic) {
	rate := growth * w.carries(all)
	if rate == 0 || w.sizes < meanSizes {
		return
	}
	if w.startup {
		rate = max(startupGain*w.carries(all), firstWindow/w.trip().Seconds())
	}
	message := time.Duration(float64(w.bytes/batches) / rate * float64(time.Second))
	if earliest := now.Add(-message); w.paceAt.Before(earliest) {
		w.paceAt = earliest
	}
	w.paceAt = w.paceAt.Add(time.Duration(float64(w.block) / rate * float64(time.Second)))
}

// places is how many more wants may be unanswered. boxo's server adds the wants of a
// message before it takes out the cancels, and drops the wants that are too many in
// between: those that a message cancels count until the next one.
func (p *peerWants) places() int {
	return min(p.most, maxKnown-p.answeredDH-len(p.hands)) - p.unanswered
}

// room reports whether the next want may be written.
func (p *peerWants) room(now time.Time, w *want) bool {
	if p.places() <= 0 {
		return false
	}
	if p.kindFor(w) == message.WantHave {
		return true
	}
	return p.blocks == 0 || !p.window.paceAt.After(now) && p.window.toCome(now, p.asked()) <= p.window.bytes
}

// batches is into how many messages the wants of a window are gathered at most.
// With one for each answer, both sides would be busy with messages.
const batches = 16

// worthwhile reports whether there is room for enough wants to make a message of
// them, while answers are to come. Questions wait for nothing. When there is not,
// it sets when there should be.
func (p *peerWants) worthwhile(now time.Time) bool {
	p.nextAt = time.Time{}
	w := p.queue.first(isQueued)
	if w == nil || p.kindFor(w) == message.WantHave || p.unanswered == 0 {
		return true
	}
	batch := max(min(p.window.bytes/max(p.window.block, 1), p.most)/batches, 1)
	batch = min(batch, p.waiting)
	if p.places() < batch {
		return false
	}
	if p.window.paceAt.After(now) {
		p.nextAt = p.window.paceAt
		return false
	}
	over := p.window.toCome(now, p.asked()) + (batch-1)*p.window.block - p.window.bytes
	if over <= 0 {
		return true
	}
	if wait := p.window.until(now, over); wait > 0 {
		p.nextAt = now.Add(max(wait, leastPause))
	}
	return false
}
