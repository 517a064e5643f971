package providers

import (
	"slices"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/message"
	"github.com/souk-p2p/souk/providers/wire"
)

const (
	maxVerdicts = 4096 // peers of namespaces that were of no use, and that a tracker has named
	maxReports  = 64   // answers of which feedback is gathered

	uselessFor = 10 * time.Minute // until a peer that was of no use is named again like others
	gatherFor  = 5 * time.Second  // so that an answer's peers are judged in one message
)

// named is a peer in a namespace.
type named struct {
	namespace string
	peer      peer.ID
}

// verdicts is how candidates turned out, and whom that is reported to.
type verdicts struct {
	useless *recent[named, useless]
	sources *recent[named, source]
	reports []*feedback // oldest first
	flushAt time.Time   // when they are sent; zero while there is nothing to send, or nobody to send it
	sending bool        // the last ones are on the way
}

type useless struct {
	outcome wire.Outcome
	until   time.Time
}

// source is the answer in which a tracker has named a peer.
type source struct {
	tracker peer.ID
	token   string
}

// feedback is what is said of the peers of an answer.
type feedback struct {
	source
	namespace string
	peers     []wire.Judgement
}

func newVerdicts() verdicts {
	return verdicts{useless: newRecent[named, useless](maxVerdicts), sources: newRecent[named, source](maxVerdicts)}
}

// judge takes how candidates turned out.
func (s *state) judge(now time.Time, namespace string, all []wire.Judgement) {
	s.see(now)
	for _, j := range all {
		at := named{namespace, j.Peer}
		switch j.Outcome {
		case wire.OutcomeServed:
			s.useless.delete(at)
		case wire.OutcomeDead, wire.OutcomeEmpty:
			s.useless.put(at, useless{j.Outcome, now.Add(uselessFor)})
		default:
			continue
		}
		s.report(now, at, j)
		delete(s.dialled, j.Peer)
	}
	s.release(now)
}

// isUseless reports whether a peer was of no use in a namespace lately. One that
// is connected is not dead.
func (s *state) isUseless(now time.Time, namespace string, p peer.ID) bool {
	u, judged := s.useless.get(named{namespace, p})
	return judged && now.Before(u.until) && (u.outcome != wire.OutcomeDead || !s.isConnected(p))
}

// gave notes who has named the peers of an answer, so that it can be told how they
// turned out. The last one to name a peer counts.
func (s *state) gave(namespace string, tracker peer.ID, r reply) {
	for _, c := range r.rows {
		if at := (named{namespace, c.ID}); r.token != "" {
			s.sources.put(at, source{tracker, r.token})
		}
	}
}

// report gathers a judgement for the tracker that has named the peer. What is
// gathered may change; once it is on its way, no more is said of this peer of this
// answer.
func (s *state) report(now time.Time, at named, j wire.Judgement) {
	from, known := s.sources.get(at)
	if !known {
		return
	}
	i := slices.IndexFunc(s.reports, func(f *feedback) bool { return f.source == from })
	if i < 0 && len(s.reports) >= maxReports {
		return
	}
	if i < 0 {
		i = len(s.reports)
		s.reports = append(s.reports, &feedback{source: from, namespace: at.namespace})
	}
	s.reports[i].add(j)
	if s.flushAt.IsZero() && !s.sending {
		s.flushAt = now.Add(gatherFor)
	}
}

// add takes a judgement in place of an earlier one of the same peer.
func (f *feedback) add(j wire.Judgement) {
	j.Samples = more(nil, j.Samples)
	at := slices.IndexFunc(f.peers, func(o wire.Judgement) bool { return o.Peer == j.Peer })
	switch {
	case at < 0 && len(f.peers) < wire.MaxJudgements:
		f.peers = append(f.peers, j)
	case at < 0:
	case f.peers[at].Outcome == j.Outcome:
		f.peers[at].Samples = more(f.peers[at].Samples, j.Samples)
	default:
		f.peers[at] = j
	}
}

// more adds samples that say something, as many as a judgement may have.
func more(samples, others []cid.Cid) []cid.Cid {
	for _, c := range others {
		if message.CheckCID(c) == nil && len(samples) < wire.MaxSamples && !slices.Contains(samples, c) {
			samples = append(samples, c)
		}
	}
	return samples
}

// flush sends the feedback that was gathered, unless its tracker has gone.
func (s *state) flush(now time.Time) {
	if s.flushAt.IsZero() || s.flushAt.After(now) {
		return
	}
	for _, f := range s.reports {
		if _, known := s.trackers[f.tracker]; known {
			s.out.feedback = append(s.out.feedback, f)
			s.stat.Feedback++
		}
		s.said(f)
	}
	s.flushAt, s.reports = time.Time{}, nil
	s.sending = len(s.out.feedback) > 0
}

// said forgets by which answer the peers of some feedback are known: there is
// nothing more to say of them in answer to it.
func (s *state) said(f *feedback) {
	for _, j := range f.peers {
		at := named{f.namespace, j.Peer}
		if from, known := s.sources.get(at); known && from == f.source {
			s.sources.delete(at)
		}
	}
}

// delivered takes that the last feedback was sent, or was not.
func (s *state) delivered(now time.Time) {
	s.see(now)
	s.sending = false
	if len(s.reports) > 0 {
		s.flushAt = now.Add(gatherFor)
	}
}
