package tracker

import (
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"
)

// speak has clients of so many prefixes ask until the nth peer is in their answer
// and say how it did.
func (r *rig) speak(namespace string, n int, result Result, prefixes int) {
	r.t.Helper()
	for p := range prefixes {
		q := Query{Peer: who(asking + p), Origin: from(1<<21 + p), Namespace: namespace, K: 32}
		for i := 0; ; i++ {
			require.Less(r.t, i, 1000, "never in an answer")
			answer := r.query(q)
			if !contains(answer, n) {
				continue
			}
			require.Equal(r.t, Verdict{}, r.table.Feedback(r.now, q.Peer, q.Origin, answer.Token, []Report{{who(n), result}}, nil))
			break
		}
	}
	r.audit()
}

func contains(a Answer, n int) bool {
	for _, c := range a.Rows {
		if c.Peer == who(n) {
			return true
		}
	}
	return false
}

func (r *rig) score(namespace string, n int) float32 {
	h := r.table.rowOf(r.table.announcerOf(who(n)), r.table.spaceOf(namespace))
	return r.table.rows.at(h).scoreAt(second(r.now))
}

func TestFeedbackCountsOnlyWithTheTokenOfThatAnswer(t *testing.T) {
	r := newRig(t, open())
	r.announced(r.row(1, "ns"), r.row(2, "other"))
	answer := r.ask("ns", 8, 1)
	say := func(id peer.ID, token uint64, about int) Refusal {
		return r.table.Feedback(r.now, id, from(3), token, []Report{{who(about), Dead}}, nil).Refusal
	}
	require.Equal(t, RefusedUnknown, say(who(asking), 0, 1))
	require.Equal(t, RefusedUnknown, say(who(asking), answer.Token+1<<40, 1))
	require.Equal(t, RefusedUnknown, say(who(asking+1), answer.Token, 1), "of another asker")
	require.Equal(t, Accepted, say(who(asking), answer.Token, 2))
	require.Zero(t, r.score("other", 2), "was not in the answer")
	require.Zero(t, r.score("ns", 1))
	require.Equal(t, Accepted, say(who(asking), answer.Token, 1))
	require.InDelta(t, -1, r.score("ns", 1), 1e-6)
	r.now = r.now.Add(16 * time.Minute)
	require.Equal(t, RefusedUnknown, say(who(asking), answer.Token, 1), "too late")
}

func TestOneVoiceAPrefixCounts(t *testing.T) {
	r := newRig(t, open())
	r.announced(r.row(1, "ns"))
	r.speak("ns", 1, Served, 1)
	r.speak("ns", 1, Dead, 1)
	require.InDelta(t, 1, r.score("ns", 1), 1e-6)
	r.speak("ns", 1, Served, 3)
	require.InDelta(t, 3, r.score("ns", 1), 1e-6)
}

func TestBadFeedbackLowersTheRankForATimeAndDeletesNothing(t *testing.T) {
	r := newRig(t, open())
	for i := range 100 {
		r.announced(r.row(i, "ns"))
	}
	r.speak("ns", 7, Dead, 50)
	require.InDelta(t, -4, r.score("ns", 7), 1e-6, "it has a bound")
	require.True(t, r.has(7, "ns"))
	r.pass(30 * time.Minute)
	require.InDelta(t, -2, r.score("ns", 7), 1e-2)
}

func TestTheBestAreGivenMoreOftenAndTheOthersAreTried(t *testing.T) {
	r := newRig(t, open())
	r.blind = true
	for i := range 100 {
		r.announced(r.row(i, "ns"))
	}
	r.speak("ns", 7, Served, 4)
	r.speak("ns", 8, Dead, 4)
	given := map[peer.ID]int{}
	for seed := range uint64(3000) {
		for _, id := range peersOf(r.ask("ns", 8, seed+1)) {
			given[id]++
		}
	}
	require.Greater(t, given[who(7)], 2*given[who(9)])
	require.Less(t, given[who(8)], given[who(9)])
	require.Len(t, given, 100, "a newcomer has its chance, and so has who was dead")
}

func TestAnswersOfOthersAreNotForgottenForOneWhoAsksMuch(t *testing.T) {
	r := newRig(t, open())
	r.announced(r.row(1, "ns"))
	answer := r.ask("ns", 8, 1)
	for range 50_000 {
		r.table.Query(r.now, Query{Peer: who(5), Origin: from(5), Namespace: "ns", K: 8}, nil)
	}
	v := r.table.Feedback(r.now, who(asking), from(1<<20), answer.Token, []Report{{who(1), Served}}, nil)
	require.Equal(t, Verdict{}, v)
}

func TestProbesAskWhatWasServedOfThoseWhoCoverIt(t *testing.T) {
	r := newRig(t, open())
	part := r.row(2, "ns")
	part.Ranges = spans(0, 10)
	r.announced(r.row(1, "ns"), part, r.row(3, "other"))
	require.Empty(t, r.table.Probes(r.now, 8), "nothing is known to be served")
	answer := r.ask("ns", 8, 1)
	samples := []Sample{{"cid", 500}, {string(make([]byte, 65)), 0}, {"cid", 500}}
	require.Equal(t, Verdict{}, r.table.Feedback(r.now, who(asking), from(1<<20), answer.Token, []Report{{who(1), Served}}, samples))
	r.audit()
	probes := r.table.Probes(r.now, 8)
	require.NotEmpty(t, probes)
	require.LessOrEqual(t, len(probes), 8)
	for _, p := range probes {
		require.Equal(t, Probe{who(1), "ns", "cid", []byte("record of 1"), 1, p.ref}, p)
	}
	before := r.score("ns", 1)
	r.table.Probed(r.now, probes[0], false)
	require.InDelta(t, before-1, r.score("ns", 1), 1e-6, "a miss lowers")
	r.table.Probed(r.now, probes[0], true)
	require.InDelta(t, before, r.score("ns", 1), 1e-6)
	require.True(t, r.has(1, "ns"))
	r.pass(time.Hour)
	r.table.Probed(r.now, probes[0], false)
	require.Empty(t, r.table.Probes(r.now, 8))
}

func TestTheOldestWhoFailedMakeWayForOthersAsOld(t *testing.T) {
	r := newRig(t, open())
	r.blind = true
	for i := range 80 {
		r.announced(r.row(i, "ns"))
		r.pass(time.Second)
	}
	r.speak("ns", 0, Dead, 6)
	given := 0
	for seed := range uint64(500) {
		if contains(r.ask("ns", 8, seed+1), 0) {
			given++
		}
	}
	require.Less(t, given, 60, "chance would give it 87 times, two of twenty elders and six of the rest")
}
