package actor

import (
	"context"
	"testing"
	"time"
)

// BenchmarkInbox is what one message costs an actor that does nothing with it:
// the way through the inbox, and telling when it works and when it waits.
func BenchmarkInbox(b *testing.B) {
	l := NewLoop("bench", nil)
	in := NewInbox[int](64, l.Done())
	l.Watch(in)
	l.Start(func(ctx context.Context) {
		for {
			l.Waiting(time.Now())
			select {
			case <-in.C():
				l.Begin()
			case <-ctx.Done():
				return
			}
		}
	})
	for n := range b.N {
		if err := in.Send(b.Context(), n); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	if err := l.Stop(context.Background()); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkStretch is what telling costs alone.
func BenchmarkStretch(b *testing.B) {
	l := NewLoop("bench", nil)
	l.Watch(NewInbox[int](64, l.Done()))
	for b.Loop() {
		l.Waiting(time.Now())
		l.Begin()
	}
}
