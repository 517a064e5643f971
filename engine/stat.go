package engine

// Stat is what an engine has done since it started. All numbers only grow,
// but for the last group.
type Stat struct {
	BlocksSent    uint64 // accepted by a stream
	DataSent      uint64 // bytes of these blocks
	HavesSent     uint64
	DontHavesSent uint64
	WantsReceived uint64 // entries, no cancels

	RefusedAccess    uint64 // Config.Access said no
	RefusedSize      uint64 // the block is too large to be served
	RefusedOverflow  uint64 // wants that were beyond a bound
	RefusedCID       uint64 // nothing can be served under the CID, or an unknown kind of want
	ForgottenSilent  uint64 // subscriptions that left a full table without an answer
	ForgottenAnswers uint64 // subscriptions that left a full table after a DONT_HAVE
	StoreErrors      uint64 // look-ups and reads that failed
	SendErrors       uint64 // messages that did not reach a stream
	Unsent           uint64 // wants given up after too many of those
	Declined         uint64 // wants that came or waited when the engine drained, and were not promised

	Partners      int // peers that are connected or have wants here
	Wants         int // in all wantlists
	Unanswered    int // of those, answers that wait to be sent: blocks and presences
	Answering     int // of those, answers that are being read or sent
	LookUps       int // of those, that wait to be looked up
	StoreCalls    int // look-ups and reads that workers have
	TableBytes    int // memory they take
	InFlightBytes int // of blocks being read or sent
}
