package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"time"
)

const linesType = "application/x-ndjson"

// line is one of an answer that comes bit by bit: progress, a value, or the end, which is
// an error or not.
type line[P, V any] struct {
	Progress *P     `json:"progress,omitempty"`
	Value    *V     `json:"value,omitempty"`
	Error    *Error `json:"error,omitempty"`
	End      bool   `json:"end,omitempty"`
}

// progressPause is the least time between two lines of progress: as often as people see.
const progressPause = 100 * time.Millisecond

// lines writes such an answer. Nothing is written before the first line, so that an error
// that comes before it is an answer like that of any other call.
type lines[P, V any] struct {
	w     http.ResponseWriter
	begun bool
	last  time.Time // of progress
}

func (l *lines[P, V]) write(one line[P, V]) error {
	if !l.begun {
		l.w.Header().Set("Content-Type", linesType)
		l.begun = true
	}
	return json.NewEncoder(l.w).Encode(one)
}

// progress tells how far it is, if some time has passed. Who does not read has left, and
// the context of the call ends.
func (l *lines[P, V]) progress(p P) {
	if now := time.Now(); now.Sub(l.last) >= progressPause {
		l.last = now
		l.write(line[P, V]{Progress: &p})
		http.NewResponseController(l.w).Flush()
	}
}

func (l *lines[P, V]) value(v V) error { return l.write(line[P, V]{Value: &v}) }

// end returns an error that nothing was written before, and otherwise writes it.
func (l *lines[P, V]) end(err error) error {
	if err != nil && !l.begun {
		return err
	}
	last := line[P, V]{End: true}
	if err != nil {
		last.Error = asError(err)
	}
	l.write(last)
	return nil
}

// answerAll answers with the values of a sequence.
func answerAll[V any](w http.ResponseWriter, values iter.Seq2[V, error]) error {
	l := lines[struct{}, V]{w: w}
	for v, err := range values {
		if err == nil {
			err = l.value(v)
		}
		if err != nil {
			return l.end(err)
		}
	}
	return l.end(nil)
}

// answerOnce answers with progress and then with one value.
func answerOnce[P, V any](w http.ResponseWriter, do func(progress func(P)) (V, error)) error {
	l := lines[P, V]{w: w}
	v, err := do(l.progress)
	if err == nil {
		err = l.value(v)
	}
	return l.end(err)
}

// readLines reads such an answer, and closes it.
func readLines[P, V any](ctx context.Context, resp *http.Response, progress func(P)) iter.Seq2[V, error] {
	return func(yield func(V, error) bool) {
		defer resp.Body.Close()
		in := json.NewDecoder(resp.Body)
		var none V
		for {
			var one line[P, V]
			switch err := in.Decode(&one); {
			case err != nil && context.Cause(ctx) != nil:
				yield(none, context.Cause(ctx))
				return
			case err != nil:
				yield(none, fmt.Errorf("read the node's answer: %w", cut(err)))
				return
			case one.Error != nil:
				yield(none, one.Error)
				return
			case one.End:
				io.Copy(io.Discard, resp.Body) // leaves the connection fit for another call
				return
			case one.Value != nil:
				if !yield(*one.Value, nil) {
					return
				}
			case one.Progress != nil && progress != nil:
				progress(*one.Progress)
			}
		}
	}
}

// all yields what a call answers with bit by bit.
func all[V any](ctx context.Context, c *Client, path string) iter.Seq2[V, error] {
	return func(yield func(V, error) bool) {
		resp, err := c.open(ctx, path)
		if err != nil {
			var none V
			yield(none, err)
			return
		}
		readLines[struct{}, V](ctx, resp, nil)(yield)
	}
}

// readOnce reads the answer of [answerOnce].
func readOnce[P, V any](ctx context.Context, resp *http.Response, progress func(P)) (v V, err error) {
	err = errors.New("the running node answered with nothing")
	for v, err = range readLines[P, V](ctx, resp, progress) {
		if err != nil {
			return v, err
		}
	}
	return v, err
}
