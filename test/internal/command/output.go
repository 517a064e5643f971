package command

import (
	"bytes"
	"sync"
)

// Output gathers what a process writes, to be read meanwhile.
type Output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write keeps p.
func (o *Output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

// String is what was written so far.
func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}
