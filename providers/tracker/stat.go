package tracker

import (
	"github.com/souk-p2p/souk/providers/record"
	"github.com/souk-p2p/souk/providers/wire"
)

// Stat is what a tracker has and has done. Streams and Probing grow and fall, the
// other numbers only grow.
type Stat struct {
	Table   TableStat
	Streams int
	Probing int

	StreamsOfPeer uint64 // refused, because the peer has as many as it may
	StreamsOfAll  uint64 // refused, because all peers together have
	Squeezed      uint64 // answers that were cut because too many long ones were on their way

	Faults  [wire.NumFaults]uint64   // of messages, by wire.Fault
	Records [record.NumFaults]uint64 // that were refused for what is in them, by record.Fault
	Probes  [probeResults]uint64     // by ProbeResult

	Kept       uint64 // snapshots of the table that were written
	KeepFailed uint64 // that were not, because of an error
	Restored   uint64 // rows that were taken from one
	Damaged    uint64 // pieces of one that could not be read, and were passed over
}

// ProbeResult is what came of asking an announcer for what it says it has.
type ProbeResult uint8

// The results.
const (
	ProbeHad       ProbeResult = iota
	ProbeMissed                // it did not have it
	ProbeUnreached             // it did not answer
	ProbeSkipped               // it has no public address that was observed
	probeResults
)

// String is the result in a word, for metrics.
func (r ProbeResult) String() string {
	names := [probeResults]string{"had", "missed", "unreached", "skipped"}
	if r >= probeResults {
		return "unspecified"
	}
	return names[r]
}

// TableStat is what a table has and has done. The numbers of the first group grow and
// fall, the others only grow.
type TableStat struct {
	Namespaces int // with rows, be they withdrawn
	Announcers int
	Prefixes   int // that rows came from
	Rows       int
	Withdrawn  int // rows of which only the sequence is remembered
	Watches    int
	Bytes      int // all memory that the table takes

	Announced uint64
	Touched   uint64
	Expired   uint64
	Evicted   uint64
	Queries   uint64
	Answered  uint64 // rows in answers
	Feedback  uint64
	Probed    uint64
	Refused   [refusals]uint64 // by reason
}

// Stat returns the statistics of this moment.
func (t *Table) Stat() TableStat {
	stat := t.stat
	stat.Namespaces, stat.Announcers, stat.Prefixes = t.spaces.items, t.announcers.items, t.origins.items
	stat.Bytes = t.used()
	return stat
}

// String is the reason in a word, for metrics.
func (r Refusal) String() string {
	names := [refusals]string{
		"accepted", "size", "rate", "prefix_rate", "sequence", "namespaces", "full", "early", "late", "unknown",
		"watches", "crowd", "number",
	}
	if r >= refusals {
		return "unspecified"
	}
	return names[r]
}
