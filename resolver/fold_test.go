package resolver

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/souk-p2p/souk/internal/actor"
)

var epoch = time.Unix(1_700_000_000, 0)

// rig is an actor's shell that has nothing but its state.
func rig(members ...peer.ID) *shell {
	s := &shell{state: newState(epoch, Limits{}.withDefaults(), "self", 1), callers: actor.NewNumbers[callID, *caller]()}
	s.state.setMembers(epoch, members)
	s.state.take()
	return s
}

func drawOrder(t *rapid.T) order {
	o := order{key: Key(rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "key")), attempts: rapid.IntRange(0, 3).Draw(t, "attempts")}
	if seconds := rapid.IntRange(0, 3).Draw(t, "deadline"); seconds > 0 {
		o.deadline = epoch.Add(time.Duration(seconds) * time.Second)
	}
	if o.targeted = rapid.Bool().Draw(t, "targeted"); o.targeted {
		o.targets = rapid.SliceOfN(rapid.SampledFrom([]peer.ID{"p", "q", "r", "s"}), 0, 3).Draw(t, "targets")
	}
	return o
}

// drawCommands draws what waits in a mailbox, most of it orders.
func drawCommands(t *rapid.T) []command {
	var callers []*caller
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) command {
		key := Key(rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "of"))
		switch rapid.IntRange(0, 9).Draw(t, "kind") {
		case 0:
			return cancelled{[]Key{key}}
		case 1:
			return cleared{}
		case 2:
			return unblocked{"p"}
		case 3:
			me := &caller{make(chan reply, 1)}
			callers = append(callers, me)
			return called{drawOrder(t), me}
		case 4:
			if len(callers) > 0 {
				return left{key, callers[0]}
			}
		}
		return placed{rapid.SliceOfN(rapid.Custom(drawOrder), 1, 4).Draw(t, "orders")}
	}), 1, 12).Draw(t, "commands")
}

// seen is what can be seen of a state from outside.
func (s *shell) seen(t *rapid.T) string {
	require.NoError(t, s.state.audit())
	text := fmt.Sprintf("%+v\n%+v\n", s.state.stat(), s.state.fetchPage(epoch, 0, mostPage))
	for range 20 {
		s.state.turn(epoch)
	}
	return text + fmt.Sprintf("%+v\n", s.state.take())
}

func TestFoldingComesToTheSameAsOneByOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		before, commands := drawCommands(t), drawCommands(t)
		oneByOne, folded := rig("p", "q", "r", "s"), rig("p", "q", "r", "s")
		for _, c := range append(before, commands...) {
			oneByOne.handle(epoch, c)
		}
		for _, c := range before {
			folded.handle(epoch, c)
		}
		short := fold(commands)
		require.LessOrEqual(t, len(short), len(commands))
		for _, c := range short {
			folded.handle(epoch, c)
		}
		require.Equal(t, oneByOne.seen(t), folded.seen(t))
	})
}

func TestOrdersForOneKeyAreFoldedIntoOne(t *testing.T) {
	commands := []command{placed{[]order{{key: "a"}, {key: "b"}}}, placed{[]order{{key: "a"}}}, cancelled{[]Key{"a"}}, placed{[]order{{key: "a"}}}, placed{[]order{{key: "a"}}}}
	require.Equal(t, []command{
		placed{[]order{{key: "a", folded: 1}, {key: "b"}}}, cancelled{[]Key{"a"}}, placed{[]order{{key: "a", folded: 1}}},
	}, fold(commands))
}

// A mailbox that is full of the same does not grow what the state is told.
func TestAFloodOfOrdersIsTakenInInOneGo(t *testing.T) {
	s := rig("p")
	s.Resolver = &Resolver{inbox: actor.NewInbox[command](defaultMailbox, nil)}
	for range defaultMailbox {
		require.NoError(t, s.inbox.Send(context.Background(), placed{[]order{{key: "a"}}}))
	}
	s.receive(epoch, placed{[]order{{key: "a"}}})
	require.Zero(t, s.inbox.Depth())
	require.EqualValues(t, 1, s.state.stat().Counts.Fetches)
	require.EqualValues(t, defaultMailbox, s.state.stat().Counts.Duplicates)
	for range defaultMailbox {
		require.NoError(t, s.inbox.Send(context.Background(), placed{make([]order, mostOrders)}))
	}
	s.receive(epoch, cleared{})
	require.Equal(t, defaultMailbox-ordersAtOnce/mostOrders, s.inbox.Depth(), "no more than what a turn takes")
}
