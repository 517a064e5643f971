package download

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"
)

func TestANodeIsDialledOnlyForWhatWaits(t *testing.T) {
	r := newRig(t, Limits{Transfers: 1, PerNode: 1})
	r.members(0, 1)
	require.Empty(t, r.connects(), "nothing is wanted")
	r.wantFor(1, 1, 0, ResourceHints{Groups: []Group{"another"}})
	require.Empty(t, r.connects(), "not of this group")
	r.want(2)
	require.Len(t, r.connects(), 1, "there may be one transfer")
	n := r.connects()[0]
	r.connected(n)
	require.Equal(t, [][2]int{{2, n}}, r.starts())
	r.want(3)
	for _, h := range r.pass(time.Second) {
		require.Empty(t, h.connect, "there may be no transfer with another node")
	}
}

func TestDialsForOneResourceAreStaggeredAndLimited(t *testing.T) {
	r := newRig(t, Limits{Dials: 3, Stagger: 250 * time.Millisecond})
	r.members(0, 1, 2, 3, 4)
	r.want(1)
	require.Len(t, r.connects(), 1)
	var at []time.Duration
	for _, h := range r.pass(5 * time.Second) {
		require.Len(t, h.connect, 1)
		at = append(at, h.after)
	}
	require.Equal(t, []time.Duration{250 * time.Millisecond, 500 * time.Millisecond}, at)
	n := slices.IndexFunc(r.s.order, func(n *node) bool { return n.phase == dialled })
	r.unreachable(nodeNumber(r.s.order[n].id))
	require.Len(t, r.connects(), 1, "when one fails another is dialled")
}

func TestTheNodeThatAnswersFirstIsPutToWorkFirst(t *testing.T) {
	r := newRig(t, Limits{Idle: time.Hour})
	r.connectedMembers(2, 0, 1)
	r.want(1)
	require.Equal(t, [][2]int{{1, 0}}, r.starts())
	id := r.out.start[0].ID
	r.after(func() { r.s.ready(r.now, id, nodeID(0), time.Second) })
	r.done(id)
	r.want(2)
	require.Equal(t, [][2]int{{2, 1}}, r.starts())
	r.done(r.out.start[0].ID)

	for _, n := range []int{0, 1, 2} {
		r.gone(n)
	}
	r.now = r.now.Add(time.Minute)
	r.want(3)
	require.Equal(t, []int{1}, r.connects(), "who was near is dialled first")
}

func TestIdleNodesAreLetGoAfterTenSeconds(t *testing.T) {
	r := newRig(t, Limits{})
	r.members(0)
	r.want(1)
	r.connected(0)
	r.now = r.now.Add(5 * time.Second)
	r.done(1)
	all := r.pass(time.Minute)
	require.Len(t, all, 1)
	require.Equal(t, 10*time.Second, all[0].after)
	require.Equal(t, []peer.ID{nodeID(0)}, all[0].disconnect)
}

func TestAnIdleNodeMakesRoomForOneThatIsNeeded(t *testing.T) {
	r := newRig(t, Limits{Connections: 1})
	r.node(0, NodeHints{Has: []cid.Cid{resourceCID(1)}})
	r.node(1, NodeHints{Has: []cid.Cid{resourceCID(2)}})
	r.wantFor(1, 1, 0, ResourceHints{})
	r.connected(0)
	r.wantFor(2, 2, 0, ResourceHints{})
	require.Empty(t, r.connects(), "it is not idle")
	r.done(1)
	require.Equal(t, []peer.ID{nodeID(0)}, r.out.disconnect)
	require.Equal(t, []int{1}, r.connects())
}

func TestAGroupHintWakesANodeThatIsConnectedAndIdle(t *testing.T) {
	r := newRig(t, Limits{})
	r.connectedMembers(0)
	r.wantFor(1, 1, 0, ResourceHints{Groups: []Group{"another"}})
	require.Empty(t, r.starts())
	r.node(0, NodeHints{Groups: []Group{"another"}})
	require.Equal(t, [][2]int{{1, 0}}, r.starts())

	r.wantFor(2, 2, 0, ResourceHints{Groups: []Group{"third"}})
	require.Empty(t, r.starts())
	r.wantFor(0, 2, 0, ResourceHints{Groups: []Group{dataset}})
	require.Equal(t, [][2]int{{2, 0}}, r.starts(), "so does a label on a resource")
}

func TestANewNodeOfAGroupIsTriedForAllOfIt(t *testing.T) {
	r := newRig(t, Limits{Retries: 20})
	r.connectedMembers(0)
	for n := 1; n <= 8; n++ {
		r.want(n)
	}
	for len(r.s.running) > 0 {
		r.failed(r.s.running[0].id, 0, HasNot)
	}
	r.members(1)
	r.connected(1)
	asked := map[int]bool{}
	for len(r.out.start) > 0 {
		for _, at := range r.starts() {
			asked[at[0]] = true
		}
		r.failed(r.s.running[0].id, 1, HasNot)
	}
	require.Len(t, asked, 8)
}

func TestARefusalCountsForTenMinutesOrUntilAHint(t *testing.T) {
	refusedBy0 := func(t *testing.T) *rig {
		r := newRig(t, Limits{Idle: time.Hour})
		r.connectedMembers(0)
		r.wantFor(1, 1, -1, ResourceHints{Groups: []Group{dataset}})
		r.failed(2, 0, HasNot)
		return r
	}
	t.Run("ten minutes", func(t *testing.T) {
		r := refusedBy0(t)
		for _, h := range r.pass(10*time.Minute - 1) {
			require.Empty(t, h.start)
		}
		starts := 0
		for _, h := range r.pass(5*time.Minute + 1) { // Its retries are as far apart.
			starts += len(h.start)
		}
		require.Equal(t, 1, starts)
	})
	t.Run("a hint of the node", func(t *testing.T) {
		r := refusedBy0(t)
		r.node(0, NodeHints{Has: []cid.Cid{resourceCID(1)}})
		require.Equal(t, [][2]int{{1, 0}}, r.starts())
	})
	t.Run("a hint of the resource", func(t *testing.T) {
		r := refusedBy0(t)
		r.wantFor(0, 1, 0, ResourceHints{From: []peer.ID{nodeID(0)}})
		require.Equal(t, [][2]int{{1, 0}}, r.starts())
	})
	t.Run("not the group once more", func(t *testing.T) {
		r := refusedBy0(t)
		r.members(0)
		require.Empty(t, r.starts())
	})
	t.Run("not another intent", func(t *testing.T) {
		r := refusedBy0(t)
		r.want(7)
		r.wantFor(2, 1, 0, ResourceHints{})
		require.Empty(t, r.starts())
	})
	t.Run("also while it waits for another", func(t *testing.T) {
		r := newRig(t, Limits{PerNode: 1, Idle: time.Hour, Stall: time.Hour})
		r.connectedMembers(0, 1)
		r.want(1)
		r.want(2)
		r.failed(r.s.transferOf(1), 0, HasNot)
		all := r.pass(10 * time.Minute)
		last := all[len(all)-1]
		require.Equal(t, 10*time.Minute, last.after)
		require.Equal(t, Start{ID: 5, CID: resourceCID(1), Node: nodeID(0)}, last.start[0])
	})
}

// transferOf is the transfer of a resource.
func (s *state) transferOf(n int) TransferID { return s.resources[resourceCID(n)].transfer.id }

func TestNodesToSkipAreSkipped(t *testing.T) {
	r := newRig(t, Limits{})
	r.connectedMembers(0, 1)
	r.wantFor(1, 1, 0, ResourceHints{Groups: []Group{dataset}, Not: []peer.ID{nodeID(0)}})
	require.Equal(t, [][2]int{{1, 1}}, r.starts())
	r.node(0, NodeHints{HasNot: []cid.Cid{resourceCID(2)}})
	r.want(2)
	require.Equal(t, [][2]int{{2, 1}}, r.starts())
}

// A failure that says nothing of what the node has lets it be asked again soon.
func TestANodeThatFailedIsAskedAgainWithTheNextRetry(t *testing.T) {
	r := newRig(t, Limits{})
	r.connectedMembers(0)
	r.want(1)
	r.failed(2, 0, Broken)
	all := r.pass(time.Second)
	require.Equal(t, nodeID(0), all[len(all)-1].start[0].Node)
}

func TestANodeThatFailsAgainAndAgainRests(t *testing.T) {
	r := newRig(t, Limits{PerNode: 1})
	r.connectedMembers(0)
	for n := 1; n <= 9; n++ {
		r.want(n)
	}
	r.failed(r.s.running[0].id, 0, Broken)
	require.Len(t, r.starts(), 1, "once is no habit")
	r.failed(r.s.running[0].id, 0, Broken)
	require.Empty(t, r.starts())
	all := r.pass(time.Second)
	require.Len(t, all[len(all)-1].start, 1)
	r.progress(r.s.running[0].id, 1)
	r.failed(r.s.running[0].id, 0, Broken)
	require.Len(t, r.starts(), 1, "what comes makes good")
}

func TestALargeResourceComesFromSeveralNodesOneAfterTheOther(t *testing.T) {
	r := newRig(t, Limits{Sources: 3, LargeBytes: 1000, Idle: time.Hour})
	r.connectedMembers(0, 1, 2, 3)
	r.wantFor(1, 1, 0, ResourceHints{Groups: []Group{dataset}, Size: 1000})
	id := r.out.start[0].ID
	var joined []Seat
	for _, h := range r.pass(5 * time.Second) {
		joined = append(joined, h.join...)
	}
	require.Equal(t, []Seat{{id, nodeID(1)}, {id, nodeID(2)}}, joined)
	r.failed(id, 1, HasNot)
	require.Equal(t, []Seat{{id, nodeID(1)}}, r.out.leave)
	require.Equal(t, []Seat{{id, nodeID(3)}}, r.out.join)
	r.gone(0)
	require.Empty(t, r.out.cancel, "others go on")
	r.done(id)
	require.Zero(t, r.s.seats)
}

func TestNobodyJoinsWhileSomethingWaits(t *testing.T) {
	r := newRig(t, Limits{PerNode: 1, Idle: time.Hour, Stagger: time.Millisecond})
	r.connectedMembers(0, 1)
	r.wantFor(1, 1, 0, ResourceHints{Groups: []Group{dataset}, Several: true})
	r.want(2)
	r.want(3)
	r.pass(time.Second)
	r.done(r.s.transferOf(2))
	require.Len(t, r.starts(), 1)
	require.Empty(t, r.out.join)
	r.done(r.s.transferOf(3))
	require.Len(t, r.out.join, 1)
}

// The rule of what is forgotten, line by line.
func TestWhatIsForgottenAndWhen(t *testing.T) {
	const age = time.Hour
	known := func(r *rig) [3]int { return [3]int{len(r.s.resources), len(r.s.nodes), len(r.s.groups)} }
	t.Run("a resource that is complete, at once", func(t *testing.T) {
		r := newRig(t, Limits{Age: age})
		r.connectedMembers(0)
		r.want(1)
		r.done(2)
		require.Equal(t, [3]int{0, 1, 1}, known(r))
	})
	t.Run("a resource that is not known of anything, at once", func(t *testing.T) {
		r := newRig(t, Limits{Age: age})
		r.wantFor(1, 1, 0, ResourceHints{})
		r.cancel(1)
		require.Equal(t, [3]int{0, 0, 0}, known(r))
	})
	t.Run("a resource with a hint, in an age", func(t *testing.T) {
		r := newRig(t, Limits{Age: age})
		r.want(1)
		r.cancel(1)
		r.pass(age - 1)
		require.Equal(t, [3]int{1, 0, 1}, known(r))
		r.pass(1)
		require.Equal(t, [3]int{0, 0, 0}, known(r))
	})
	t.Run("a resource that was refused, when that counts no more", func(t *testing.T) {
		r := newRig(t, Limits{Age: time.Minute, Skip: time.Hour})
		r.wantFor(0, 1, 0, ResourceHints{Not: []peer.ID{nodeID(0)}})
		r.pass(time.Hour - 1)
		require.Equal(t, [3]int{1, 0, 0}, known(r))
		r.pass(1)
		require.Equal(t, [3]int{0, 0, 0}, known(r))
	})
	t.Run("a node of which nothing is wanted, in an age", func(t *testing.T) {
		r := newRig(t, Limits{Age: age})
		r.members(0)
		r.pass(age - 1)
		require.Equal(t, [3]int{0, 1, 1}, known(r))
		r.pass(1)
		require.Equal(t, [3]int{0, 0, 0}, known(r))
	})
	t.Run("a node of which something is wanted, not", func(t *testing.T) {
		r := newRig(t, Limits{Age: age, Connections: 1})
		r.members(0, 1)
		r.wantFor(1, 1, -1, ResourceHints{Groups: []Group{dataset}})
		r.pass(10 * age)
		require.Equal(t, [3]int{1, 2, 1}, known(r))
	})
	t.Run("a removed node, with all but its refusals", func(t *testing.T) {
		r := newRig(t, Limits{Age: age})
		r.connectedMembers(0)
		r.wantFor(1, 1, -1, ResourceHints{Groups: []Group{dataset}})
		r.failed(2, 0, HasNot)
		r.after(func() { r.s.removeNode(r.now, nodeID(0)) })
		require.Equal(t, [3]int{1, 0, 1}, known(r))
		r.members(0)
		require.Empty(t, r.connects())
	})
}

func TestThereAreNoMoreResourcesAndNodesThanMayBe(t *testing.T) {
	r := newRig(t, Limits{Resources: 3, Nodes: 2})
	r.members(0, 1)
	r.after(func() { require.ErrorIs(t, r.s.addNode(r.now, nodeID(2), NodeHints{}), ErrFull) })
	r.wantFor(0, 1, 0, ResourceHints{From: []peer.ID{nodeID(0)}})
	for n := 2; n <= 4; n++ {
		r.want(n)
	}
	require.NotContains(t, r.s.resources, resourceCID(1), "hints make room")
	r.after(func() {
		require.ErrorIs(t, r.s.addResource(r.now, resourceCID(5), 5, 0, ResourceHints{}), ErrFull)
		require.ErrorIs(t, r.s.addNode(r.now, nodeID(0), NodeHints{Has: []cid.Cid{resourceCID(5)}}), ErrFull)
		require.ErrorIs(t, r.s.addResource(r.now, resourceCID(4), 4, 0, ResourceHints{}), ErrUsed)
	})
}

// Lanes hold what waits, whatever has come and gone.
func TestLanesDoNotGrowWithWhatHasGone(t *testing.T) {
	r := newRig(t, Limits{})
	r.connectedMembers(0)
	r.members(1)
	for n := 1; n <= 5000; n++ {
		r.wantFor(IntentID(n), n%7, 0, ResourceHints{Groups: []Group{dataset}, From: []peer.ID{nodeID(1)}})
		r.cancel(IntentID(n))
	}
	require.Less(t, cap(r.s.groups[dataset].line[1].places), 100)
	require.Less(t, cap(r.s.nodes[nodeID(1)].own.places), 100)
}

func TestTheAuditFindsWhatIsWrong(t *testing.T) {
	for name, spoil := range map[string]func(s *state){
		"seats":     func(s *state) { s.seats++ },
		"dials":     func(s *state) { s.resources[resourceCID(2)].dials++ },
		"waiting":   func(s *state) { s.resources[resourceCID(2)].place = 0 },
		"phase":     func(s *state) { s.resources[resourceCID(2)].phase = active },
		"timer":     func(s *state) { stop(s.resources[resourceCID(2)]) },
		"transfer":  func(s *state) { s.running = nil },
		"lane":      func(s *state) { s.groups["far"].line = line{} },
		"own":       func(s *state) { s.nodes[nodeID(1)].own = lane{} },
		"has":       func(s *state) { clear(s.nodes[nodeID(1)].has) },
		"group":     func(s *state) { s.groups[dataset].nodes = nil },
		"wanted":    func(s *state) { s.groups[dataset].wanted++ },
		"order":     func(s *state) { s.order = s.order[1:] },
		"intent":    func(s *state) { delete(s.intents, 2); s.intents[3] = s.intents[1] },
		"mark":      func(s *state) { s.resources[resourceCID(2)].mark(mark{node: "x", why: Broken, round: 99}) },
		"forgotten": func(s *state) { stop(s.nodes[nodeID(1)]) },
		"idle": func(s *state) {
			s.linked[0].views[0].group.line.push(s.resources[resourceCID(2)])
			s.limits.PerNode = 9
			s.idleAgain()
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, Limits{})
			r.connectedMembers(0)
			r.want(1)
			r.node(1, NodeHints{Has: []cid.Cid{resourceCID(2)}})
			r.wantFor(2, 2, 0, ResourceHints{Groups: []Group{"far"}})
			r.after(func() {})
			spoil(r.s)
			require.Error(t, r.s.audit(r.now))
		})
	}
}

// idleAgain lets the connected node belong to what waits, without anybody noticing.
func (s *state) idleAgain() {
	r := s.resources[resourceCID(2)]
	s.linked[0].has[r] = struct{}{}
	r.from = append(r.from, s.linked[0])
	r.from[1].own.push(r)
}

func TestLimitsNameTheFieldThatIsWrong(t *testing.T) {
	require.NoError(t, Limits{}.validate())
	require.ErrorContains(t, Limits{PerNode: -1}.validate(), "Limits.PerNode is -1")
	require.ErrorContains(t, Limits{Skip: -1}.validate(), "Limits.Skip is -1")
}

func TestAFailureSaysWhatEachNodeDid(t *testing.T) {
	e := &FailedError{CID: resourceCID(1), Retries: 5, Err: errUnplugged, kind: ErrNoNodes}
	for n := range mostFailures + 2 {
		e.add(nodeID(n), HasNot)
	}
	require.ErrorIs(t, e, ErrNotFound)
	require.Equal(t, 2, e.More)
	require.Equal(t, mostFailures, strings.Count(e.Error(), HasNot.String()))
	require.ErrorContains(t, e, "and 2 more; last: unplugged")
	e.add(nodeID(99), Unreachable)
	require.ErrorIs(t, e, ErrUnreachable)
	e.add(nodeID(98), Stalled)
	require.ErrorIs(t, e, ErrBroken)
	e.add(nodeID(97), HasNot)
	require.ErrorIs(t, e, ErrBroken)
	require.False(t, errors.Is(e, ErrNotFound))

	require.ErrorContains(t, &FailedError{CID: resourceCID(1), kind: ErrNoNodes}, "no node is known")
	require.Equal(t, "reason 77", Reason(77).String())
	require.Equal(t, "started", Started.String())
	require.Equal(t, "event 0", EventKind(0).String())
}
