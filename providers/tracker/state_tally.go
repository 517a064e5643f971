package tracker

import "math"

// tally counts what happens to a namespace, and how often it did lately.
type tally struct {
	total  uint32
	recent float32 // of the last minutes, as it was at since
	since  uint32
}

// tallySpan is how many seconds recent looks back, on average.
const tallySpan = 300

func (n *tally) count(now uint32) {
	n.recent, n.since = n.recentAt(now)+1, now
	if n.total < math.MaxUint32 {
		n.total++
	}
}

func (n *tally) recentAt(now uint32) float32 {
	if now <= n.since {
		return n.recent
	}
	return n.recent * float32(math.Exp(-float64(now-n.since)/tallySpan))
}

// rate is how often it happens in a second.
func (n *tally) rate(now uint32) float64 { return float64(n.recentAt(now)) / tallySpan }
