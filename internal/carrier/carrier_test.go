package carrier

import (
	"bufio"
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/souk-p2p/souk/internal/actor"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type (
	report = Report[int, string]
	opened = Opened[int, string]
	heard  = Heard[int, string]
	wrote  = Wrote[int, string]
	ended  = Ended[int, string]
)

var errReset = errors.New("reset")

// end is one end of a stream in memory. What is written waits until it is read.
type end struct {
	in  *io.PipeReader
	out *io.PipeWriter
}

func (e end) Read(p []byte) (int, error)  { return e.in.Read(p) }
func (e end) Write(p []byte) (int, error) { return e.out.Write(p) }
func (e end) CloseWrite() error           { return e.out.Close() }

func (e end) Close() error {
	_ = e.in.Close()
	return e.out.Close()
}

func (e end) Reset() {
	_ = e.in.CloseWithError(errReset)
	_ = e.out.CloseWithError(errReset)
}

// world is the streams of an actor, which the test is.
type world struct {
	*Streams[int, string]
	t      *testing.T
	life   context.Context
	panics int
}

func play(t *testing.T, f func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		life, die := context.WithCancel(context.Background())
		w := &world{t: t, life: life}
		crew := actor.NewCrew("test", nil)
		w.Streams = New[int](Config[string]{
			Name: "test", Panicked: func(error) { w.panics++ }, Crew: crew, OpenTime: time.Second, Messages: lines,
		})
		f(w)
		w.Close()
		die()
		require.NoError(t, crew.Wait(context.Background()))
	})
}

// lines reads a stream of lines. One that says "panic" does.
func lines(r io.Reader) func() (string, error) {
	in := bufio.NewReader(r)
	return func() (string, error) {
		line, err := in.ReadString('\n')
		if line == "panic\n" {
			panic("bug")
		}
		return line, err
	}
}

// dials has stream 1 opened and returns the peer's end of it.
func (w *world) dials(life context.Context) (peer end) {
	there, forth := io.Pipe()
	back, hither := io.Pipe()
	w.Open(life, 1, func(context.Context) (Stream, error) { return end{back, forth}, nil })
	return end{there, hither}
}

// opens opens stream 1 and returns the peer's end of it.
func (w *world) opens() (peer end) {
	peer = w.dials(w.life)
	o := (<-w.C()).(opened)
	require.NoError(w.t, o.Err)
	w.Carry(w.life, o)
	return peer
}

func (w *world) hears(want report) {
	w.t.Helper()
	require.Equal(w.t, want, <-w.C())
}

func TestWhatIsSaidIsReportedInOrderAndThePeerWaits(t *testing.T) {
	play(t, func(w *world) {
		peer := w.opens()
		said := make(chan error, 1)
		go func() {
			_, err := peer.Write([]byte("one\ntwo\n"))
			if err == nil {
				_, err = peer.Write(make([]byte, 10_000)) // more than is read ahead
			}
			said <- err
		}()
		synctest.Wait()
		require.Empty(t, said, "nobody has taken the first")
		w.hears(heard{1, "one\n"})
		w.hears(heard{1, "two\n"})
		require.NoError(t, <-said)
		require.NoError(t, peer.CloseWrite())
		require.ErrorIs(t, (<-w.C()).(ended).Cause, io.EOF)
	})
}

func TestWhatIsHandedOverIsWrittenAndReported(t *testing.T) {
	play(t, func(w *world) {
		peer := w.opens()
		w.Write(1, []byte("one"))
		synctest.Wait()
		got := make([]byte, 3)
		_, err := io.ReadFull(peer, got)
		require.NoError(t, err)
		require.Equal(t, "one", string(got))
		w.hears(wrote{1})
		w.Write(1, []byte("two"))
		w.Rest(1)
		_, err = io.ReadFull(peer, got)
		require.NoError(t, err)
		require.Equal(t, "two", string(got))
		w.hears(wrote{1})
		_, err = peer.Read(got)
		require.ErrorIs(t, err, io.EOF, "our side ends in order")
		go func() { _, _ = peer.Write([]byte("still\n")) }()
		w.hears(heard{1, "still\n"})
	})
}

func TestNothingIsReportedOfAStreamThatWasDropped(t *testing.T) {
	for _, inOrder := range []bool{true, false} {
		play(t, func(w *world) {
			peer := w.opens()
			w.Write(1, []byte("one")) // which nobody reads
			go func() { _, _ = peer.Write([]byte("one\n")) }()
			synctest.Wait()
			w.Drop(1, inOrder)
			synctest.Wait()
			select {
			case r := <-w.C():
				require.Fail(t, "reported", "%#v", r)
			default:
			}
			_, err := peer.Read(make([]byte, 1))
			if inOrder {
				require.ErrorIs(t, err, io.EOF)
			} else {
				require.ErrorIs(t, err, errReset)
			}
		})
	}
}

func TestAStreamThatCannotBeOpenedSaysWhy(t *testing.T) {
	play(t, func(w *world) {
		why := errors.New("no route")
		w.Open(w.life, 1, func(context.Context) (Stream, error) { return nil, why })
		o := (<-w.C()).(opened)
		require.ErrorIs(t, o.Err, why)
		w.Discard(o)
		w.Open(w.life, 2, func(ctx context.Context) (Stream, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		})
		before := time.Now()
		require.ErrorIs(t, (<-w.C()).(opened).Err, context.DeadlineExceeded)
		require.Equal(t, time.Second, time.Since(before))
		w.Open(w.life, 3, func(context.Context) (Stream, error) { panic("bug") })
		require.Error(t, (<-w.C()).(opened).Err)
		require.Equal(t, 1, w.panics)
	})
}

func TestAStreamThatNobodyTakesIsReset(t *testing.T) {
	play(t, func(w *world) {
		life, die := context.WithCancel(w.life)
		peer := w.dials(life)
		synctest.Wait()
		die()
		_, err := peer.Read(make([]byte, 1))
		require.ErrorIs(t, err, errReset)
		peer = w.dials(w.life)
		w.Discard((<-w.C()).(opened))
		_, err = peer.Read(make([]byte, 1))
		require.ErrorIs(t, err, errReset)
	})
}

func TestAPanicEndsItsStreamAlone(t *testing.T) {
	play(t, func(w *world) {
		peer := w.opens()
		go func() { _, _ = peer.Write([]byte("panic\n")) }()
		require.ErrorContains(t, (<-w.C()).(ended).Cause, "bug")
		require.Equal(t, 1, w.panics)
		w.Write(1, []byte("one"))
		_, err := peer.Read(make([]byte, 3))
		require.NoError(t, err, "the writer goes on until the actor ends the stream")
		w.hears(wrote{1})
	})
}
