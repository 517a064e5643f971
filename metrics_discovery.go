package souk

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/souk-p2p/souk/providers/record"
	"github.com/souk-p2p/souk/providers/tracker"
	"github.com/souk-p2p/souk/providers/wire"
)

var (
	trackersDesc = desc("trackers", "Trackers that are known, by whether they answer. \"souk trackers\" tells which do not.", "state")
	lookupsDesc  = desc("directory_events_total", "Questions to trackers, and what came of them.", "event")
	saidDesc     = desc("announcer_events_total", "What was told to trackers, and how often that failed.", "event")
	saidNoDesc   = desc("announcer_refused_total", "Rows that trackers have refused, by reason.", "reason")

	discoveryDescs = []*prometheus.Desc{trackersDesc, lookupsDesc, saidDesc, saidNoDesc}

	trackerEntriesDesc = desc("tracker_entries", "What this node keeps as a tracker.", "kind")
	trackerBytesDesc   = desc("tracker_bytes", "Memory of this node's table as a tracker.")
	trackerDoneDesc    = desc("tracker_events_total", "What this node did as a tracker.", "event")
	trackerRefusedDesc = desc("tracker_refused_total", "What this node refused as a tracker, by reason.", "reason")
	trackerProbesDesc  = desc("tracker_probes_total", "Announcers that this node asked as a tracker for what they announce, by result.", "result")

	trackerDescs = []*prometheus.Desc{trackerEntriesDesc, trackerBytesDesc, trackerDoneDesc, trackerRefusedDesc, trackerProbesDesc}
)

func (m metrics) collectDiscovery(out chan<- prometheus.Metric) {
	d, a := m.x.providers.Stat(), m.x.announcer.Stat()
	for what, n := range map[string]uint64{
		"asked": d.Asks, "hedged": d.Hedges, "failed": d.Failed, "refused": d.Refused, "empty": d.Empty, "lied": d.Lied,
		"feedback": d.Feedback, "subscribed": d.Subscriptions,
	} {
		count(out, lookupsDesc, n, what)
	}
	for what, n := range map[string]uint64{
		"announcement": a.Announcements, "touch": a.Touches, "withdrawal": a.Withdrawals, "failure": a.Failures,
	} {
		count(out, saidDesc, n, what)
	}
	for code, n := range a.Refused {
		count(out, saidNoDesc, n, wire.Code(code).String())
	}
	up, down := m.x.trackerStates()
	gauge(out, trackersDesc, up, "up")
	gauge(out, trackersDesc, down, "down")
}

func (m metrics) collectOwnTracker(ctx context.Context, out chan<- prometheus.Metric) {
	s := m.x.tracker.Stat(ctx)
	if ctx.Err() != nil {
		return
	}
	for what, n := range map[string]int{
		"namespaces": s.Table.Namespaces, "announcers": s.Table.Announcers, "prefixes": s.Table.Prefixes, "rows": s.Table.Rows,
		"withdrawn": s.Table.Withdrawn, "watches": s.Table.Watches, "streams": s.Streams, "probing": s.Probing,
	} {
		gauge(out, trackerEntriesDesc, n, what)
	}
	gauge(out, trackerBytesDesc, s.Table.Bytes)
	for what, n := range map[string]uint64{
		"announced": s.Table.Announced, "touched": s.Table.Touched, "expired": s.Table.Expired, "evicted": s.Table.Evicted,
		"queries": s.Table.Queries, "rows-answered": s.Table.Answered, "feedback": s.Table.Feedback, "answers-cut": s.Squeezed,
		"kept": s.Kept, "keeping-failed": s.KeepFailed, "restored": s.Restored, "damaged": s.Damaged,
	} {
		count(out, trackerDoneDesc, n, what)
	}
	collectTrackerRefusals(out, s)
	for r, n := range s.Probes {
		count(out, trackerProbesDesc, n, tracker.ProbeResult(r).String())
	}
}

func collectTrackerRefusals(out chan<- prometheus.Metric, s tracker.Stat) {
	for r, n := range s.Table.Refused {
		if r != int(tracker.Accepted) {
			count(out, trackerRefusedDesc, n, "table-"+tracker.Refusal(r).String())
		}
	}
	for f, n := range s.Faults {
		if f > 0 {
			count(out, trackerRefusedDesc, n, "message-"+wire.Fault(f).String())
		}
	}
	for f, n := range s.Records {
		if f > 0 {
			count(out, trackerRefusedDesc, n, "record-"+record.Fault(f).String())
		}
	}
	count(out, trackerRefusedDesc, s.StreamsOfPeer, "streams-of-a-peer")
	count(out, trackerRefusedDesc, s.StreamsOfAll, "streams-of-all")
}
