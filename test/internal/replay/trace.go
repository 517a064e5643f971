// Package replay has what worlds that a seed decides are made of: what will happen, in
// order, and what has happened, so that two runs can be compared.
package replay

import (
	"fmt"
	"hash/fnv"
	"io"
	"time"
)

// Trace is what happened in a run, as a hash, and for a reader when there is one.
type Trace struct {
	Sum   uint64
	Steps int       // that were taken
	Out   io.Writer // nil for nobody
}

// Line notes what has happened at a time since the beginning.
func (t *Trace) Line(at time.Duration, format string, args ...any) {
	h := fnv.New64a()
	fmt.Fprintf(h, format, args...)
	t.Sum = (t.Sum ^ h.Sum64() ^ uint64(at)) * 0x100000001b3
	if t.Out != nil {
		fmt.Fprintf(t.Out, "%12.6fs %s\n", at.Seconds(), fmt.Sprintf(format, args...))
	}
}
