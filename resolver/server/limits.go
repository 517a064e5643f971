package server

import (
	"cmp"
	"fmt"
	"time"

	"github.com/souk-p2p/souk/resolver/wire"
)

// Limits bound what a server does for others. Zero fields mean the default that is
// given with each.
type Limits struct {
	// MaxValue is the size of the largest value that is served, in bytes; a key with a
	// larger one is answered as if there was none, and logged. Default 16 MiB, at most
	// 1 GiB. Each call of Produce may return one, so Producing of them are in memory at
	// once, beside those that are kept.
	MaxValue int

	// Producing and PeerProducing are the calls of Produce at once, for all peers and
	// for one. Default 16 and 4: a Producer that reads from a disk keeps that busy
	// with sixteen, and it takes four peers to occupy it.
	Producing, PeerProducing int
	// ProduceTime is how long a call may take. Then its requests are answered busy.
	// Default 5 s: half of what askers wait by default, so that they hear of it.
	ProduceTime time.Duration

	// Waiting and PeerWaiting are the requests that wait for their turn, of all peers
	// and of one; those above are answered busy. Who has none that waits may always
	// have one. Default 16,384 and 256.
	Waiting, PeerWaiting int
	// WaitTime is how long a request may wait. Then it is answered busy. Default 3 s: with
	// ProduceTime it is less than what askers wait.
	WaitTime time.Duration

	// Rate and PeerRate are the requests a second, of all peers and of one, of which a
	// second's worth may come at once. A value of several parts counts as that many when
	// it is produced. A peer above its rate is answered busy, and read again after a
	// pause; the rate of all is shared out in turns. Default 8,192 and 1,024. Negative:
	// without a limit.
	Rate, PeerRate float64

	// Unread and PeerUnread are the bytes of answers that are not written or being
	// produced, for all peers and for one; one answer counts as a part until its size
	// is known. A peer with more gets no more until it reads. Above Unread each peer
	// gets one answer at a time. Default 64 MiB and 2 MiB.
	Unread, PeerUnread int

	// Kept and KeepTime bound the values larger than a part that are kept for the
	// requests of their parts, in bytes, and in time since the last of them. Default
	// 64 MiB, at least MaxValue, and 30 s.
	Kept     int
	KeepTime time.Duration

	// Streams and PeerStreams are those that are served at once, of all peers and of
	// one. Default 1,024 and 4: an asker has one, and another while that ends.
	Streams, PeerStreams int
}

const (
	// mostFaults is after how many messages against the rules a stream is reset: so
	// many are no accident.
	mostFaults = 16
	// mostAnswers is from how many unwritten answers on a stream is not read. They are
	// small: those with values are bounded by their bytes.
	mostAnswers = 64
	// pauseTime is how long a peer is not read that was above its rate: for a quarter
	// of a second's worth of requests.
	pauseTime = 250 * time.Millisecond
	// batchBytes is from where on no further answer goes into what a writer writes at a
	// time: packets are full, and little is copied in vain if the stream ends.
	batchBytes = 64 << 10
	// rememberTime is how long the rate of a peer without streams is remembered: until
	// its bucket would be full, so that a new stream is no way around it.
	rememberTime = time.Second
)

// WithDefaults returns the limits with the default for each field that is zero.
func (l Limits) WithDefaults() Limits {
	l.MaxValue = cmp.Or(l.MaxValue, 16<<20)
	l.Producing = cmp.Or(l.Producing, 16)
	l.PeerProducing = cmp.Or(l.PeerProducing, min(4, l.Producing))
	l.ProduceTime = cmp.Or(l.ProduceTime, 5*time.Second)
	l.Waiting = cmp.Or(l.Waiting, 16384)
	l.PeerWaiting = cmp.Or(l.PeerWaiting, 256)
	l.WaitTime = cmp.Or(l.WaitTime, 3*time.Second)
	l.Rate = cmp.Or(l.Rate, 8192)
	l.PeerRate = cmp.Or(l.PeerRate, 1024)
	l.Unread = cmp.Or(l.Unread, 64<<20)
	l.PeerUnread = cmp.Or(l.PeerUnread, 2<<20)
	l.Kept = cmp.Or(l.Kept, max(64<<20, l.MaxValue))
	l.KeepTime = cmp.Or(l.KeepTime, 30*time.Second)
	l.Streams = cmp.Or(l.Streams, 1024)
	l.PeerStreams = cmp.Or(l.PeerStreams, 4)
	return l
}

// validate names the field that is wrong, in limits with their defaults.
func (l Limits) validate() error {
	for _, field := range []struct {
		name               string
		value, least, most int
	}{
		{"MaxValue", l.MaxValue, 1, wire.MaxValue},
		{"Producing", l.Producing, 1, 1 << 12},
		{"PeerProducing", l.PeerProducing, 1, l.Producing},
		{"Waiting", l.Waiting, 1, 1 << 24},
		{"PeerWaiting", l.PeerWaiting, 1, 1 << 16},
		{"Unread", l.Unread, 1, 1 << 40},
		{"PeerUnread", l.PeerUnread, 1, 1 << 40},
		{"Kept", l.Kept, l.MaxValue, 1 << 40},
		{"Streams", l.Streams, 1, 1 << 20},
		{"PeerStreams", l.PeerStreams, 1, 1 << 10},
	} {
		if field.value < field.least || field.value > field.most {
			return fmt.Errorf("server: Limits.%s is %d, from %d to %d is right", field.name, field.value, field.least, field.most)
		}
	}
	for _, field := range []struct {
		name  string
		value time.Duration
	}{{"ProduceTime", l.ProduceTime}, {"WaitTime", l.WaitTime}, {"KeepTime", l.KeepTime}} {
		if field.value < time.Millisecond {
			return fmt.Errorf("server: Limits.%s is %s, at least 1ms is right", field.name, field.value)
		}
	}
	return nil
}
