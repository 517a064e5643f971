package providers

import (
	"fmt"
	"testing"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/providers/client"
	"github.com/souk-p2p/souk/providers/wire"
)

// reported is the feedback that was sent last, one line for each message.
func (r *trackedRig) reported() (all []string) {
	for _, f := range r.out.feedback {
		line := fmt.Sprint(f.tracker, " ", f.token, ":")
		for _, j := range f.peers {
			line += fmt.Sprint(" ", string(j.Peer), j.Outcome)
		}
		all = append(all, line)
	}
	return all
}

func newJudgingRig(t *testing.T) *trackedRig {
	r := newTrackedRig(t, 2)
	r.find(1, 4)
	r.reply(r.order[0], reply{rows: rowsOf("a b", row{verified: true}), token: "one"})
	r.reply(r.order[1], reply{rows: rowsOf("c d", row{verified: true}), token: "two"})
	require.Equal(t, "c d done", r.told(1))
	return r
}

func TestJudgementsGoBackToTheTrackerThatNamedThePeer(t *testing.T) {
	r := newJudgingRig(t)
	r.judge(wire.OutcomeServed, "a stranger")
	r.judge(wire.OutcomeDead, "b c")
	r.after(gatherFor - 1)
	require.Empty(t, r.reported())
	r.after(1)
	require.Equal(t, []string{
		fmt.Sprint(r.order[0], " one: a3 b1"), fmt.Sprint(r.order[1], " two: c1"),
	}, r.reported())
	require.Zero(t, r.wake())
}

func TestAPeerIsJudgedOnceForEachAnswer(t *testing.T) {
	r := newJudgingRig(t)
	r.judge(wire.OutcomeDead, "a")
	r.judge(wire.OutcomeServed, "a")
	r.after(gatherFor)
	require.Equal(t, []string{fmt.Sprint(r.order[0], " one: a3")}, r.reported(), "the last word")
	r.delivered(r.now)
	r.judge(wire.OutcomeDead, "a")
	r.after(gatherFor)
	require.Empty(t, r.reported(), "it was said")

	r.find(1, 4)
	r.reply(r.order[0], reply{rows: rowsOf("a", row{verified: true}), token: "three"})
	r.judge(wire.OutcomeServed, "a")
	r.after(gatherFor)
	require.Equal(t, []string{fmt.Sprint(r.order[0], " three: a3")}, r.reported(), "of another answer")
}

func TestFeedbackWaitsForTheOneBefore(t *testing.T) {
	r := newJudgingRig(t)
	r.judge(wire.OutcomeServed, "a")
	r.after(gatherFor)
	r.judge(wire.OutcomeServed, "b")
	r.after(time.Hour)
	require.Empty(t, r.reported())
	r.delivered(r.now)
	r.after(gatherFor)
	require.Equal(t, []string{fmt.Sprint(r.order[0], " one: b3")}, r.reported())
}

func TestNoFeedbackGoesWhereItIsNotWanted(t *testing.T) {
	r := newTrackedRig(t, 2)
	r.find(1, 2)
	r.reply(r.order[0], reply{rows: rowsOf("a", row{verified: true})})
	r.judge(wire.OutcomeServed, "a")
	require.Zero(t, r.flushAt, "there is no token")
	r.reply(r.order[1], reply{rows: rowsOf("b", row{verified: true}), token: "two"})
	r.judge(wire.OutcomeServed, "b")
	r.state.judge(r.now, "films", []wire.Judgement{{Peer: "b", Outcome: 77}})
	r.setTrackers(r.now, []client.Tracker{{AddrInfo: peer.AddrInfo{ID: r.order[0]}}})
	r.after(gatherFor)
	require.Empty(t, r.reported(), "the tracker has gone")
	r.judge(wire.OutcomeServed, "b")
	require.Zero(t, r.flushAt)
}

func TestSamplesAreBoundedAndMeanSomething(t *testing.T) {
	r := newJudgingRig(t)
	var many []cid.Cid
	for n := range 2 * wire.MaxSamples {
		many = append(many, sample(fmt.Sprint(n))[0])
	}
	for _, samples := range [][]cid.Cid{{cid.Undef, many[0]}, many[:3], many} {
		r.state.judge(r.now, "films", []wire.Judgement{{Peer: "a", Outcome: wire.OutcomeServed, Samples: samples}})
	}
	r.after(gatherFor)
	require.Equal(t, many[:wire.MaxSamples], r.out.feedback[0].peers[0].Samples)
}

// However many candidates are judged, little is kept.
func TestWhatIsKeptOfJudgementsIsBounded(t *testing.T) {
	r := newTrackedRig(t, 1)
	for n := range 2 * maxVerdicts {
		p := fmt.Sprint("p", n)
		r.gave("films", r.order[0], reply{rows: rowsOf(p, row{}), token: p})
		r.judge(wire.OutcomeEmpty, p)
	}
	require.Len(t, r.useless.entries, maxVerdicts)
	require.Len(t, r.sources.entries, maxVerdicts)
	require.LessOrEqual(t, len(r.sources.order), 2*maxVerdicts)
	require.Len(t, r.reports, maxReports)
	require.True(t, r.isUseless(r.now, "films", peer.ID(fmt.Sprint("p", 2*maxVerdicts-1))), "the latest stay")
	for n := range 2 * wire.MaxJudgements {
		p := fmt.Sprint("q", n)
		r.gave("films", r.order[0], reply{rows: rowsOf(p, row{}), token: "p0"})
		r.judge(wire.OutcomeEmpty, p)
	}
	require.Len(t, r.reports[0].peers, wire.MaxJudgements)
}
