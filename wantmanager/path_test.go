package wantmanager

import (
	"slices"
	"testing"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
)

// chunk is what a link sends of one path before the next has its turn.
const chunk = 16 << 10

// wire is what all paths have in common: a link that sends of each in turn.
type wire struct {
	*rig
	rate  float64 // bytes a second
	busy  bool
	paths []*path
	turn  int
	queue []passing // by time

	ran      time.Time // when the last chunk came
	runFrom  time.Time // since when they come without a pause
	runBytes int

	// Since the last call of look.
	from  time.Time
	sent  int           // bytes
	least time.Duration // that a block waited in the queue
}

// passing is a want on its way to the link, or a chunk on its way to us.
type passing struct {
	at    time.Time
	path  *path
	block *sending
	chunk int // bytes; none of a want
}

// sending is a block.
type sending struct {
	cid   cid.Cid
	size  int
	left  int       // bytes that the link has not sent
	came  time.Time // when its want did
	began time.Time // when its first byte arrived
}

// path is a peer that serves behind a round trip and the link.
type path struct {
	*wire
	peer peer.ID
	trip time.Duration
	size func(int) int

	backlog []*sending // at the link

	never map[cid.Cid]bool // wants that are not answered
	first int              // number of its first CID
	total int64            // bytes that came
	part  int              // of those, in a block that is not complete
	got   int
	under int // bytes under way
	most  int // of those
}

func newWire(t *testing.T, rate float64) *wire {
	l := &wire{rig: newRig(t), rate: rate}
	l.from = l.now
	return l
}

func (l *wire) path(p peer.ID, trip time.Duration, size int) *path {
	f := &path{wire: l, peer: p, trip: trip, size: func(int) int { return size }, first: 1_000_000 * len(l.paths)}
	l.paths = append(l.paths, f)
	l.connect(p)
	return f
}

func newPath(t *testing.T, rate float64, trip time.Duration, size int) *path {
	return newWire(t, rate).path(a, trip, size)
}

// fetch asks for n blocks and lets them come, and returns how long that took.
func (p *path) fetch(n int) time.Duration {
	begin := p.now
	p.want(n)
	goal := p.got + n
	p.until(func() bool { return p.got >= goal })
	return p.now.Sub(begin)
}

// want asks for n more blocks.
func (p *path) want(n int) {
	p.block(1, p.peer, cidsOf(p.first, n)...)
	p.first += n
}

// until lets time pass.
func (l *wire) until(done func() bool) {
	for !done() {
		l.sendOut()
		at := l.wake()
		if len(l.queue) > 0 && (at.IsZero() || !l.queue[0].at.After(at)) {
			at = l.queue[0].at
		}
		if at.IsZero() {
			at = l.now.Add(time.Second)
		}
		l.pass(max(at.Sub(l.now), 0))
		for len(l.queue) > 0 && !l.queue[0].at.After(l.now) {
			e := l.queue[0]
			l.queue = l.queue[1:]
			l.take(e)
		}
	}
}

func (l *wire) push(e passing) {
	at, _ := slices.BinarySearchFunc(l.queue, e.at, func(o passing, at time.Time) int {
		if o.at.After(at) {
			return 1
		}
		return -1
	})
	l.queue = slices.Insert(l.queue, at, e)
}

func (l *wire) sendOut() {
	for _, p := range l.paths {
		for len(l.hands[p.peer]) > 0 {
			for _, e := range l.hand(p.peer) {
				if !e.Cancel && !p.never[e.CID] {
					size := p.size(p.got)
					p.under += size
					l.push(passing{at: l.now.Add(p.trip), path: p, block: &sending{cid: e.CID, size: size, left: size}})
				}
			}
		}
		p.most = max(p.most, p.under)
	}
}

func (l *wire) take(e passing) {
	if e.chunk > 0 {
		e.path.comes(e)
		l.busy = false
	} else {
		e.block.came = l.now
		e.path.backlog = append(e.path.backlog, e.block)
	}
	if !l.busy {
		l.sendChunk()
	}
}

// sendChunk sends of the next path that has something to be sent.
func (l *wire) sendChunk() {
	for range l.paths {
		l.turn = (l.turn + 1) % len(l.paths)
		p := l.paths[l.turn]
		if len(p.backlog) == 0 {
			continue
		}
		b := p.backlog[0]
		if b.left == b.size {
			l.least = min(l.least, l.now.Sub(b.came))
		}
		n := min(chunk, b.left)
		if b.left -= n; b.left == 0 {
			p.backlog = p.backlog[1:]
		}
		l.busy = true
		l.push(passing{at: l.now.Add(time.Duration(float64(n) / l.rate * float64(time.Second))), path: p, block: b, chunk: n})
		return
	}
}

// comes takes a chunk.
func (p *path) comes(e passing) {
	b := e.block
	if b.began.IsZero() {
		b.began = p.now
	}
	p.total += int64(e.chunk)
	p.part += e.chunk
	p.sent += e.chunk
	p.under -= e.chunk
	n := news{at: p.now, began: b.began, burst: p.burst(e.chunk)}
	if b.left == 0 {
		p.part -= b.size
		p.got++
		n.blocks = []sized{{b.cid, b.size}}
	}
	n.read, n.part = p.total, p.part
	p.told(n)
}

func (p *path) told(n news) {
	p.moved = p.now
	p.heard(p.now, p.peer, n)
	p.settle()
}

// burst is the rate of what came without a pause, if that was for long enough.
func (l *wire) burst(bytes int) float64 {
	took := time.Duration(float64(bytes) / l.rate * float64(time.Second))
	if l.now.Sub(l.ran) > took+2*time.Millisecond {
		l.runFrom, l.runBytes = l.now, -bytes
	}
	l.ran = l.now
	l.runBytes += bytes
	long := l.now.Sub(l.runFrom)
	if long < 10*time.Millisecond {
		return 0
	}
	burst := float64(l.runBytes) / long.Seconds()
	l.runFrom, l.runBytes = l.now, 0
	return burst
}

// look returns which part of the link was used since the last call, and the least
// that a block waited in its queue.
func (l *wire) look() (used float64, least time.Duration) {
	used = float64(l.sent) / l.rate / l.now.Sub(l.from).Seconds()
	least = l.least
	l.from, l.sent, l.least = l.now, 0, time.Hour
	return used, least
}
