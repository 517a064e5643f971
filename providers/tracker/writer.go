package tracker

import (
	"context"

	"github.com/souk-p2p/souk/internal/actor"
	"github.com/souk-p2p/souk/providers/wire"
)

// writer is the goroutine that writes all of a stream with subscriptions: answers,
// and between them what the actor tells it.
type writer struct {
	stream Stream
	news   *actor.Slot[[]wire.Notify]
	frames chan []byte
	result chan error // of each frame; has room for one
	ended  chan struct{}
}

func newWriter(s Stream, news *actor.Slot[[]wire.Notify]) *writer {
	return &writer{stream: s, news: news, frames: make(chan []byte), result: make(chan error, 1), ended: make(chan struct{})}
}

// write hands over a frame and waits until it is written.
func (w *writer) write(ctx context.Context, frame []byte) error {
	select {
	case w.frames <- frame:
	case <-w.ended:
		return actor.ErrClosed
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case err := <-w.result:
		return err
	case <-w.ended:
		return actor.ErrClosed
	}
}

// run writes until ctx ends. A stream that cannot be written is reset, so that
// who reads it notices.
func (w *writer) run(ctx context.Context) {
	defer close(w.ended)
	broken := true
	defer func() {
		if broken {
			w.stream.Reset()
		}
	}()
	for {
		var err error
		select {
		case frame := <-w.frames:
			_, err = w.stream.Write(frame)
			w.result <- err
		case news := <-w.news.C():
			err = w.tell(news)
		case <-ctx.Done():
			broken = false
			return
		}
		if err != nil {
			return
		}
	}
}

func (w *writer) tell(news []wire.Notify) error {
	for _, n := range news {
		frame, err := wire.AppendFrame(nil, &n)
		if err == nil {
			_, err = w.stream.Write(frame)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
