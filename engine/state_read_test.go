package engine

import (
	"testing"
	"time"

	blocks "github.com/ipfs/go-block-format"
	"github.com/stretchr/testify/require"
)

// disk plays a store each of whose reads takes as long, and a path that takes as long for
// each message, until all is sent.
type disk struct {
	*rig
	read, send time.Duration

	jobsEnd []time.Time
	sentAt  time.Time // when the message on the path has left
	most    int       // reads at once
}

// play lets so many of the messages be sent.
func (d *disk) play(messages int) {
	for d.settle(); messages > 0; d.settle() {
		next, sends := d.sentAt, true
		for i := range d.jobsEnd {
			if next.IsZero() || d.jobsEnd[i].Before(next) {
				next, sends = d.jobsEnd[i], false
			}
		}
		require.False(d.t, next.IsZero(), "there is something to do")
		d.now = next
		if sends {
			d.rig.send(0)
			d.sentAt = time.Time{}
			messages--
			continue
		}
		d.work(0)
		d.jobsEnd = d.jobsEnd[1:]
	}
}

// settle begins what is to be done.
func (d *disk) settle() {
	d.collect()
	for _, j := range d.jobs[len(d.jobsEnd):] {
		n := 1
		if j.read != nil {
			n = len(j.read.Items)
		}
		d.jobsEnd = append(d.jobsEnd, d.now.Add(time.Duration(n)*d.read))
	}
	d.most = max(d.most, len(d.jobs))
	if d.sentAt.IsZero() && len(d.inFlight) > 0 {
		d.sentAt = d.now.Add(d.send)
	}
}

func newDisk(t *testing.T, read, send time.Duration, bs []blocks.Block) *disk {
	d := &disk{rig: newRig(t, Limits{}), read: read, send: send}
	d.state.jobs = defaultWorkers
	d.shelf.put(bs...)
	d.want(alice, wantAll(bs)...)
	return d
}

func TestASlowStoreIsReadAsFastAsIsSent(t *testing.T) {
	const n = 200
	d := newDisk(t, 25*time.Millisecond, 5*time.Millisecond, many(n, 128<<10))
	began := d.now
	d.play(n)
	require.LessOrEqual(t, d.now.Sub(began), n*d.send+10*d.read, "what it takes to send, and to begin")
}

func TestNoMoreIsReadAheadThanASlowPathTakes(t *testing.T) {
	const n = 60
	d := newDisk(t, 25*time.Millisecond, 100*time.Millisecond, many(n, 128<<10))
	d.play(n / 2)
	require.LessOrEqual(t, d.most, lane)
	require.LessOrEqual(t, d.state.inFlight, (lane+1)*(128<<10))
}

func TestSmallBlocksOfASlowStoreAreReadSideBySideAndSentTogether(t *testing.T) {
	d := newDisk(t, 25*time.Millisecond, 10*time.Millisecond, many(1000, 4<<10))
	d.play(10)
	for _, j := range d.jobs {
		require.Len(t, j.read.Items, 1, "none waits for another")
	}
	before, sent := d.now, d.state.stat.BlocksSent
	d.play(20)
	took := d.now.Sub(before)
	require.Greater(t, float64(d.state.stat.BlocksSent-sent), took.Seconds()*20/d.read.Seconds(), "of 32 that could be read")
}

// What is read and withdrawn before its turn is not sent, and has no bytes any more.
func TestWhatIsWithdrawnAfterItWasReadIsNotSent(t *testing.T) {
	bs := many(100, 64<<10)
	d := newDisk(t, 25*time.Millisecond, 2*time.Millisecond, bs)
	d.play(20)
	p := d.state.partners[alice]
	for len(p.reads) < 3 || p.loaded < len(p.reads) { // Nothing is sent meanwhile.
		d.work(0)
		d.collect()
	}
	handed := 0
	for _, ship := range d.inFlight {
		handed += ship.bytes
	}
	require.Greater(t, d.state.inFlight, handed, "some is read ahead")
	for _, b := range bs {
		d.want(alice, cancel(b))
	}
	d.collect()
	require.Equal(t, handed, d.state.inFlight)
	require.Empty(t, p.reads)
	left := len(d.inFlight)
	before := len(d.messages)
	d.run()
	require.Len(t, d.messages, before+left)
	require.Zero(t, d.state.inFlight)
	require.Zero(t, d.state.unsent)
}

// A read that hangs holds up neither what was read after it nor other peers.
func TestAReadThatHangsHoldsUpNothing(t *testing.T) {
	r := newRig(t, Limits{MessageBytes: 1})
	bs := many(8*leastSlots, 64<<10)
	r.state.jobs = defaultWorkers
	r.crowd(0, bs...)
	for i, b := range bs[:2*leastSlots] {
		p := everybody[i%2]
		r.want(p, wantBlock(b))
	}
	for r.collect(); len(r.jobs) > 0 && r.jobs[0].lookup != nil; r.collect() {
		r.work(0)
	}
	hung := r.jobs
	r.jobs = nil
	require.Len(t, hung, leastSlots)
	r.want(carol, wantBlock(bs[3*leastSlots]))
	r.advance(promptness - 1)
	require.Empty(t, r.messages, "all that is read at once hangs")
	r.advance(1)
	require.Len(t, r.heard(carol), 1)
	r.jobs = hung
	r.run()
	require.Len(t, r.messages, 2*leastSlots+1)
}
