package download

import (
	"cmp"
	"fmt"
	"time"
)

// Limits bound what is downloaded at once and say how long what is waited for.
// Zero fields mean the default that is given with each.
type Limits struct {
	// Transfers are what may run at once; what comes from two nodes counts as
	// two. Default 50: with four a node that is a dozen nodes at work, as many as
	// fill most links.
	Transfers int
	// PerNode are the transfers that one node serves at once. More of them share
	// its path and end later, each of them. Default 4: while one ends and the next
	// begins, the others keep the path full.
	PerNode int
	// Connections are nodes that are connected, or being dialled, for downloads.
	// Default 25: twice as many as Transfers keep busy.
	Connections int
	// Dials are the nodes that are being dialled at once for one resource.
	// Default 5.
	Dials int
	// Sources are the nodes from which a large resource comes at once. Default 4.
	Sources int
	// LargeBytes is the size from which a resource may come from several nodes.
	// Default 64 MiB: below that a node ends before another would be of much help.
	LargeBytes uint64

	// Retries is how often a resource is looked for again for the sake of one
	// intent, when each of its nodes has failed. Default 5.
	Retries int
	// RetryFirst is the pause before the first retry; each is twice the one
	// before. Default 1 s.
	RetryFirst time.Duration
	// RetryMost is the longest pause before a retry, or before a node is dialled
	// again. Default 5 min.
	RetryMost time.Duration
	// Skip is how long a node is not asked again for what it has said that it has
	// not got. Default 10 min.
	Skip time.Duration
	// Idle is how long a node stays connected without a transfer. Default 10 s.
	Idle time.Duration
	// Stall is how long a transfer may bring nothing before it counts as broken.
	// Default 30 s: longer than a session takes to lose a peer that has gone.
	Stall time.Duration
	// SlowBytes is how many bytes a second are so few, over Stall, that a transfer goes on
	// with another node, if one without anything to do may be asked. Default 64 KiB: the
	// path of a node that serves four at a time is slower than 2 Mbit/s then.
	SlowBytes uint64
	// Stagger is how long after one node another is dialled for the same resource,
	// or joins in it. Default 250 ms, in which most nodes are reached: the time
	// that RFC 8305 has between attempts.
	Stagger time.Duration
	// Age is how long a hint counts after it was given last. Default 1 h.
	Age time.Duration

	// Nodes and Resources are how many are known at most. Default 4,096 and
	// 65,536.
	Nodes, Resources int
}

func (l Limits) withDefaults() Limits {
	for _, field := range []struct {
		value *int
		def   int
	}{
		{&l.Transfers, 50}, {&l.PerNode, 4}, {&l.Connections, 25}, {&l.Dials, 5}, {&l.Sources, 4},
		{&l.Retries, 5}, {&l.Nodes, 4096}, {&l.Resources, 65536},
	} {
		if *field.value == 0 {
			*field.value = field.def
		}
	}
	for _, field := range []struct {
		value *time.Duration
		def   time.Duration
	}{
		{&l.RetryFirst, time.Second}, {&l.RetryMost, 5 * time.Minute}, {&l.Skip, 10 * time.Minute}, {&l.Idle, 10 * time.Second},
		{&l.Stall, 30 * time.Second}, {&l.Stagger, 250 * time.Millisecond}, {&l.Age, time.Hour},
	} {
		if *field.value == 0 {
			*field.value = field.def
		}
	}
	l.LargeBytes = cmp.Or(l.LargeBytes, 64<<20)
	l.SlowBytes = cmp.Or(l.SlowBytes, 64<<10)
	return l
}

// validate names the field that is wrong.
func (l Limits) validate() error {
	for _, field := range []struct {
		name  string
		value int64
	}{
		{"Transfers", int64(l.Transfers)}, {"PerNode", int64(l.PerNode)}, {"Connections", int64(l.Connections)},
		{"Dials", int64(l.Dials)}, {"Sources", int64(l.Sources)}, {"Retries", int64(l.Retries)},
		{"Nodes", int64(l.Nodes)}, {"Resources", int64(l.Resources)},
		{"RetryFirst", int64(l.RetryFirst)}, {"RetryMost", int64(l.RetryMost)}, {"Skip", int64(l.Skip)}, {"Idle", int64(l.Idle)},
		{"Stall", int64(l.Stall)}, {"Stagger", int64(l.Stagger)}, {"Age", int64(l.Age)},
	} {
		if field.value < 0 {
			return fmt.Errorf("download: Limits.%s is %d: it must be positive, or 0 for the default", field.name, field.value)
		}
	}
	return nil
}

// pause is how long is waited after so many failures in a row.
func (l Limits) pause(failures int) time.Duration {
	d := l.RetryFirst
	for ; failures > 1 && d < l.RetryMost; failures-- {
		d *= 2
	}
	return min(d, l.RetryMost)
}
