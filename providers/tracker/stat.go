package tracker

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
	}
	if r >= refusals {
		return "unspecified"
	}
	return names[r]
}
