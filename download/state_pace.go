package download

import "time"

// pace is how fast a transfer has been lately.
type pace struct {
	since    time.Time
	bytes    uint64 // that were here then
	complete bool   // all has come, and is only looked at
}

// isSlow reports, once in a Limits.Stall, whether too little has come since the last time.
func (p *pace) isSlow(now time.Time, bytes uint64, l Limits) bool {
	took := now.Sub(p.since)
	if p.complete || took < l.Stall {
		return false
	}
	came := bytes - min(p.bytes, bytes)
	p.since, p.bytes = now, bytes
	return float64(came) < took.Seconds()*float64(l.SlowBytes)
}

// hasSpare reports whether a node that has nothing to do could go on with a transfer.
func (s *state) hasSpare(now time.Time, t *transfer) bool {
	for n := range t.resource.candidates() {
		linkable := n.phase == linked || n.phase == away && len(s.linked)+s.dialling < s.limits.Connections
		if linkable && n.idle() && n.able(now) && !t.resource.marked(n.id) {
			return true
		}
	}
	return false
}

// complete notes that all of a resource has come, and that its transfer looks whether it is
// stored.
func (s *state) complete(id TransferID) {
	if t := s.transfer(id); t != nil {
		t.pace.complete = true
	}
}
