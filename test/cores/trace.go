//go:build simulation

package cores

import (
	"fmt"
	"hash/fnv"
	"io"
	"time"
)

// trace is what happened in a run, as a hash, and for a reader when there is
// one.
type trace struct {
	sum   uint64
	steps int       // that actors took
	out   io.Writer // nil for nobody
}

func (t *trace) line(at time.Duration, format string, args ...any) {
	h := fnv.New64a()
	fmt.Fprintf(h, format, args...)
	t.sum = (t.sum ^ h.Sum64() ^ uint64(at)) * 0x100000001b3
	if t.out != nil {
		fmt.Fprintf(t.out, "%12.6fs %s\n", at.Seconds(), fmt.Sprintf(format, args...))
	}
}
