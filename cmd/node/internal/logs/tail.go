package logs

import (
	"bytes"
	"slices"
	"sync"
)

// tailBytes is how much of the end of a log is kept: two thousand lines.
const tailBytes = 256 << 10

// Tail keeps the last lines that were written to it. Its methods may be called by
// many goroutines.
type Tail struct {
	mu   sync.Mutex
	kept []byte
}

// Write never fails.
func (t *Tail) Write(text []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept = append(t.kept, text[max(0, len(text)-tailBytes):]...)
	if over := len(t.kept) - tailBytes; over > tailBytes/4 { // seldom, so that it costs little
		t.kept = slices.Clone(t.kept[over:])
	}
	return len(text), nil
}

// Bytes returns the last lines, whole ones.
func (t *Tail) Bytes() []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	kept := t.kept
	if over := len(kept) - tailBytes; over > 0 {
		kept = kept[over:]
		kept = kept[bytes.IndexByte(kept, '\n')+1:]
	}
	return slices.Clone(kept)
}
