package providers

// Stat are the counters of the directory. They only grow.
type Stat struct {
	Asks     uint64 // to trackers
	Hedges   uint64 // of those, because another one took longer than usual
	Failed   uint64 // not answered in time
	Refused  uint64
	Empty    uint64 // answered without a row
	Lied     uint64 // answered with rows that nobody signed, or that were not asked for
	Feedback uint64 // messages about the peers of an answer

	Subscriptions uint64 // begun
}
