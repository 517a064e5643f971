package blockrouter

import (
	blocks "github.com/ipfs/go-block-format"

	"github.com/souk-p2p/souk/internal/planted"
)

// stored is a received block on its way into the store. release, where there is
// one, gives back what the bytes of its message took of the receive budget.
type stored struct {
	block   blocks.Block
	release func()
}

// full reports whether inbound messages must wait for the store.
func (s *state) full() bool { return s.backlog >= s.limits.storeBytes }

// store queues blocks for the writer; release is called once, when the last of
// them is stored or dropped.
func (s *state) store(bs []blocks.Block, release func()) {
	if !s.limits.keep || len(bs) == 0 {
		s.out.release = append(s.out.release, release)
		return
	}
	for _, b := range bs {
		s.unstored = append(s.unstored, stored{block: b})
		s.backlog += len(b.RawData())
	}
	s.out.staged = append(s.out.staged, bs...)
	s.unstored[len(s.unstored)-1].release = release
	s.startWrite()
}

func (s *state) startWrite() {
	if len(s.writing) > 0 || len(s.unstored) == 0 {
		return
	}
	n, bytes := 0, 0
	for n < len(s.unstored) && (n == 0 || bytes < s.limits.batchBytes) {
		bytes += len(s.unstored[n].block.RawData())
		n++
	}
	s.writing, s.unstored = s.unstored[:n:n], s.unstored[n:]
	if len(s.unstored) == 0 {
		s.unstored = nil
	}
	s.out.write = s.writing
}

// wrote takes the result of the write under way. Blocks that the store refused
// were delivered all the same; they are not announced.
func (s *state) wrote(err error) {
	for _, w := range s.writing {
		s.backlog -= len(w.block.RawData())
		s.out.unstaged = append(s.out.unstaged, w.block)
		if w.release != nil && !(planted.Is(planted.BudgetLeak) && err != nil) {
			s.out.release = append(s.out.release, w.release)
		}
		if err == nil {
			s.out.available = append(s.out.available, w.block)
		} else {
			s.stat.StoreErrors++
		}
	}
	clear(s.writing) // It shares its array with what is not written yet.
	s.writing = nil
	s.startWrite()
}
