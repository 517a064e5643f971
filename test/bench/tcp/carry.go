package main

import (
	"context"
	"errors"
	"io"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/souk-p2p/souk/test/sim"
)

// packetSize is how much passes the link at once: 0.7 ms at 100 Mb/s, which is
// about as short as timers are exact.
const packetSize = 8 << 10

// packet is a piece of a stream on its way.
type packet struct {
	data []byte
	at   time.Time // when it was sent; in the air, when it arrives
}

// carry moves bytes from r to w to their end as one direction of a link does: they
// wait in a queue that holds as much as is under way in a round trip, are sent one
// after the other at the link's bandwidth, and arrive half a round trip later. When
// the queue is full r is not read.
func carry(l sim.Link, w io.Writer, r io.Reader) error {
	inFlight := l.RoundTrip.Seconds() * float64(l.Bandwidth) / 8
	depth := int(inFlight/packetSize) + 1
	queue := make(chan packet, depth)
	air := make(chan packet, 4*depth) // Packets are small where little is sent.
	all, ctx := errgroup.WithContext(context.Background())
	all.Go(func() error { return admit(ctx, queue, r) })
	all.Go(func() error { return transmit(ctx, l, air, queue) })
	all.Go(func() error { return deliver(w, air) })
	return all.Wait()
}

func admit(ctx context.Context, queue chan<- packet, r io.Reader) error {
	defer close(queue)
	for {
		data := make([]byte, packetSize)
		n, err := r.Read(data)
		if n > 0 && !push(ctx, queue, packet{data[:n], time.Now()}) {
			return nil // Another part of the link has failed and says why.
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// transmit keeps account of when the link is free, not of how long it has slept:
// timers are late, and that must not add up.
func transmit(ctx context.Context, l sim.Link, air chan<- packet, queue <-chan packet) error {
	defer close(air)
	var free time.Time
	for p := range queue {
		if p.at.After(free) {
			free = p.at
		}
		free = free.Add(l.Serial(int64(len(p.data))))
		time.Sleep(time.Until(free))
		if !push(ctx, air, packet{p.data, free.Add(l.RoundTrip / 2)}) {
			return nil
		}
	}
	return nil
}

func deliver(w io.Writer, air <-chan packet) error {
	for p := range air {
		time.Sleep(time.Until(p.at))
		if _, err := w.Write(p.data); err != nil {
			return err
		}
	}
	return nil
}

func push(ctx context.Context, to chan<- packet, p packet) bool {
	select {
	case to <- p:
		return true
	case <-ctx.Done():
		return false
	}
}
