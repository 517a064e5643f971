//go:build simulation

package cores

import (
	"fmt"
	"slices"
	"strings"
	"time"

	blocks "github.com/ipfs/go-block-format"

	"github.com/souk-p2p/souk/message"
)

// nature is how a node behaves to others. Its actors know nothing of it: what they
// send is changed on the way.
type nature struct {
	kind     kind
	slowness time.Duration // of everything that it sends
}

type kind string

const (
	honest   kind = "honest"
	garbler  kind = "garbler"  // sends other bytes
	promiser kind = "promiser" // says HAVE to everything and never sends
	denier   kind = "denier"   // says DONT_HAVE and then sends
	mute     kind = "mute"     // never answers
)

var kinds = []kind{garbler, promiser, denier, mute}

// tamper returns what is sent in place of a message.
func (n nature) tamper(w *World, s *stream, m *message.Message) []*message.Message {
	answers := len(m.Blocks)+len(m.Presences) > 0
	switch {
	case n.kind == honest || !answers:
		return []*message.Message{m}
	case n.kind == mute:
		return nil
	case n.kind == promiser:
		if s.line == data {
			return nil
		}
		return []*message.Message{say(m, true)}
	case n.kind == denier && s.line == control:
		return []*message.Message{say(m, false)}
	case n.kind == denier:
		return []*message.Message{deny(m), m}
	case s.line == data:
		return []*message.Message{garble(m)}
	}
	return []*message.Message{m}
}

// say returns the message with every presence the same.
func say(m *message.Message, have bool) *message.Message {
	c := *m
	c.Presences = slices.Clone(m.Presences)
	for i := range c.Presences {
		c.Presences[i].Have = have
	}
	return &c
}

// deny returns a message that says DONT_HAVE for the blocks of m.
func deny(m *message.Message) *message.Message {
	d := new(message.Message)
	for _, b := range m.Blocks {
		d.Presences = append(d.Presences, message.Presence{CID: b.Cid()})
	}
	return d
}

// garble returns the message with other bytes in its blocks.
func garble(m *message.Message) *message.Message {
	g := *m
	g.Blocks = nil
	for _, b := range m.Blocks {
		bytes := slices.Clone(b.RawData())
		if len(bytes) > 0 {
			bytes[0]++
		}
		if other, err := blocks.NewBlockWithCid(bytes, b.Cid()); err == nil {
			g.Blocks = append(g.Blocks, other)
		}
	}
	return &g
}

// describe is a message for the trace.
func describe(m *message.Message) string {
	var parts []string
	for _, e := range m.Wantlist {
		verb := "want-block"
		switch {
		case e.Cancel:
			verb = "cancel"
		case e.Type == message.WantHave:
			verb = "want-have"
		}
		parts = append(parts, verb+" "+short(e.CID))
	}
	for _, b := range m.Blocks {
		parts = append(parts, fmt.Sprintf("block %s of %d bytes", short(b.Cid()), len(b.RawData())))
	}
	for _, p := range m.Presences {
		parts = append(parts, map[bool]string{true: "HAVE ", false: "DONT_HAVE "}[p.Have]+short(p.CID))
	}
	return strings.Join(parts, ", ")
}

// short is the end of a CID, by which a reader can tell it from the others.
func short(c interface{ String() string }) string {
	s := c.String()
	return s[max(0, len(s)-5):]
}
