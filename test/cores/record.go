//go:build simulation

package cores

import (
	"slices"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"

	"github.com/souk-p2p/souk/message"
)

// record is a node without actors, which answers by the engine's rule: a want is
// answered when it can be, and who asks to be told is told DONT_HAVE.
type record struct{ holds []blocks.Block }

// reply answers what one side of a connection was sent.
func (r *record) reply(e *end, to received) {
	answer := new(message.Message)
	for _, want := range to.wants.Entries {
		if !want.Cancel {
			r.answer(answer, want)
		}
	}
	if len(answer.Blocks)+len(answer.Presences) == 0 {
		return
	}
	e.wire.w.plan.Wrote(e.n.id, e.other.id, answer)
	e.stream(control).send(answer)
}

func (r *record) answer(m *message.Message, want message.Entry) {
	at := slices.IndexFunc(r.holds, func(b blocks.Block) bool { return sameBlock(b.Cid(), want.CID) })
	switch has := at >= 0; {
	case has && want.Type == message.WantBlock:
		m.Blocks = append(m.Blocks, r.holds[at])
	case has || want.SendDontHave:
		m.Presences = append(m.Presences, message.Presence{CID: want.CID, Have: has})
	}
}

func sameBlock(a, b cid.Cid) bool { return string(a.Hash()) == string(b.Hash()) }
