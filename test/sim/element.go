package sim

import (
	"fmt"
	"time"

	pb "github.com/ipfs/boxo/bitswap/message/pb"
	"github.com/ipfs/go-cid"
	"github.com/multiformats/go-multihash"
)

// Kind is what an element of a message says.
type Kind string

// The kinds.
const (
	WantBlock Kind = "want-block"
	WantHave  Kind = "want-have"
	Cancel    Kind = "cancel"
	Block     Kind = "block"
	Have      Kind = "HAVE"
	DontHave  Kind = "DONT_HAVE"
)

// Element is one element of a message.
type Element struct {
	At     time.Time
	Said   bool // by the recorder
	Stream int
	Kind   Kind
	CID    cid.Cid // undefined for a block whose prefix cannot be used

	Priority     int32 // of a want
	SendDontHave bool  // likewise
	Data         []byte
}

func elements(frames []Frame) []Element {
	var all []Element
	for _, f := range frames {
		from := len(all)
		for _, e := range f.Message.GetWantlist().GetEntries() {
			all = append(all, want(e))
		}
		for _, p := range f.Message.GetBlockPresences() {
			all = append(all, presence(p))
		}
		for _, data := range f.Message.GetBlocks() {
			all = append(all, block(cid.NewPrefixV0(multihash.SHA2_256), data))
		}
		for _, b := range f.Message.GetPayload() {
			p, err := cid.PrefixFromBytes(b.GetPrefix())
			if err != nil {
				p = cid.Prefix{}
			}
			all = append(all, block(p, b.GetData()))
		}
		for i := range all[from:] {
			all[from+i].At, all[from+i].Said, all[from+i].Stream = f.At, f.Said, f.Stream
		}
	}
	return all
}

func want(e *pb.Message_Wantlist_Entry) Element {
	kind := WantBlock
	switch {
	case e.GetCancel():
		kind = Cancel
	case e.GetWantType() == pb.Message_Wantlist_Have:
		kind = WantHave
	}
	return Element{Kind: kind, CID: parse(e.GetBlock()), Priority: e.GetPriority(), SendDontHave: e.GetSendDontHave()}
}

func presence(p *pb.Message_BlockPresence) Element {
	if p.GetType() == pb.Message_Have {
		return Element{Kind: Have, CID: parse(p.GetCid())}
	}
	return Element{Kind: DontHave, CID: parse(p.GetCid())}
}

func block(p cid.Prefix, data []byte) Element {
	c, err := p.Sum(data)
	if err != nil {
		c = cid.Undef
	}
	return Element{Kind: Block, CID: c, Data: data}
}

func parse(b []byte) cid.Cid {
	c, err := cid.Cast(b)
	if err != nil {
		return cid.Undef
	}
	return c
}

// String is for failures.
func (e Element) String() string { return fmt.Sprintf("%s %s", e.Kind, e.CID) }
