package message

// What a decoder accepts unless [Limits] says otherwise.
const (
	MaxFrame    = 4 << 20 // bytes of a frame's body: messages must not be larger (Bitswap specification)
	MaxBlock    = 2 << 20 // bytes of a block: blocks up to this size must work (Bitswap specification)
	MaxCID      = 168     // bytes of a CID: what boxo's servers accept; a 128-byte digest fits with room
	MaxElements = 65536   // entries, presences and blocks in a frame: 16 times what boxo's senders put into one
)

// Limits bounds what a [Decoder] accepts. A field that is zero means the
// default.
type Limits struct {
	Frame    int // bytes of a frame's body; above it the stream must be reset. Default [MaxFrame]
	Elements int // entries, presences and blocks of a frame, together; above it the stream must be reset. Default [MaxElements]
	Block    int // bytes of a block; a larger one is skipped. Default [MaxBlock]
	CID      int // bytes of a CID; an element with a longer one is skipped. Default and ceiling [MaxCID]
}

// withDefaults returns the limits with every zero field filled in.
func (l Limits) withDefaults() Limits {
	l.Frame = orDefault(l.Frame, MaxFrame)
	l.Elements = orDefault(l.Elements, MaxElements)
	l.Block = orDefault(l.Block, MaxBlock)
	l.CID = min(orDefault(l.CID, MaxCID), MaxCID)
	return l
}

func orDefault(n, def int) int {
	if n <= 0 {
		return def
	}
	return n
}

// Budget is where memory for received bytes is taken before it is allocated.
// It is called from the goroutine that calls [Decoder.Next].
type Budget interface {
	// Take takes n bytes. It may block until they are there, and returns an
	// error to make the decoder give up; nothing is taken then.
	Take(n int) error
	// Give gives n bytes back. It does not block.
	Give(n int)
}

// FrameObserver is told where frames begin and end, so that the owner of a
// stream can set its deadlines. It is called from the goroutine that calls
// [Decoder.Next].
type FrameObserver interface {
	// FrameBegins is called when the length of a frame has been read. The size
	// is that of the body, in bytes, and within [Limits.Frame].
	FrameBegins(size int)
	// FrameEnds is called when the last byte of the body has been read. It is
	// not called for a frame that fails.
	FrameEnds()
}

// unlimited is the Budget of a decoder that was given none.
type unlimited struct{}

func (unlimited) Take(int) error { return nil }
func (unlimited) Give(int)       {}

// unobserved is the FrameObserver of a decoder that was given none.
type unobserved struct{}

func (unobserved) FrameBegins(int) {}
func (unobserved) FrameEnds()      {}

// loan is what was taken from a budget for one purpose and is still the
// decoder's.
type loan struct {
	budget Budget
	taken  int
}

// raise takes what is missing to n bytes.
func (l *loan) raise(n int) error {
	if n <= l.taken {
		return nil
	}
	if err := l.budget.Take(n - l.taken); err != nil {
		return &BudgetError{Bytes: n - l.taken, Err: err}
	}
	l.taken = n
	return nil
}

// lower gives back what is above n bytes.
func (l *loan) lower(n int) {
	if n < l.taken {
		l.budget.Give(l.taken - n)
		l.taken = n
	}
}

// handOn returns the bytes of the loan, which belong to somebody else from now
// on.
func (l *loan) handOn() int {
	n := l.taken
	l.taken = 0
	return n
}
