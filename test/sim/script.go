package sim

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ipfs/boxo/bitswap/message"
	pb "github.com/ipfs/boxo/bitswap/message/pb"
	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-msgio"
)

// bitswap is the protocol that scripted peers speak.
const bitswap = "/ipfs/bitswap/1.2.0"

// A Script says what a peer answers to one entry of a wantlist that is no
// cancel.
type Script func(e message.Entry, answer message.BitSwapMessage)

// Scripted adds a node that answers each message by a script, on a stream of
// its own.
func (w *World) Scripted(l Link, script Script) *Node {
	return w.Handled(l, func(n *Node, s network.Stream) { n.obey(s, script) })
}

// Handled adds a node that does what handle does with each Bitswap stream, which
// is reset when handle returns.
func (w *World) Handled(l Link, handle func(n *Node, s network.Stream)) *Node {
	n := w.Host(l)
	w.do(func() error {
		n.SetStreamHandler(bitswap, func(s network.Stream) {
			defer s.Reset()
			handle(n, s)
		})
		return nil
	})
	return n
}

func (n *Node) obey(s network.Stream, script Script) {
	in := msgio.NewVarintReaderSize(s, 4<<20)
	for {
		m, _, err := message.FromMsgReader(in)
		if err != nil {
			return
		}
		answer := message.New(false)
		for _, e := range m.Wantlist() {
			if !e.Cancel {
				script(e, answer)
			}
		}
		if !answer.Empty() && n.Say(s.Conn().RemotePeer(), answer) != nil {
			return
		}
	}
}

// Say sends one message on a stream of its own.
func (n *Node) Say(to peer.ID, m message.BitSwapMessage) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	s, err := n.NewStream(ctx, to, bitswap)
	if err != nil {
		return err
	}
	if err := m.ToNetV1(s); err != nil {
		return errors.Join(err, s.Reset())
	}
	return s.Close()
}

// Serve is the script of a peer that has the given blocks.
func Serve(bs []blocks.Block) Script {
	has := make(map[cid.Cid]blocks.Block, len(bs))
	for _, b := range bs {
		has[b.Cid()] = b
	}
	return func(e message.Entry, answer message.BitSwapMessage) {
		b, ok := has[e.Cid]
		switch {
		case ok && e.WantType == pb.Message_Wantlist_Have:
			answer.AddHave(e.Cid)
		case ok:
			answer.AddBlock(b)
		case e.SendDontHave:
			answer.AddDontHave(e.Cid)
		}
	}
}

// Promise is the script of a peer that says HAVE to everything and sends
// nothing.
func Promise(e message.Entry, answer message.BitSwapMessage) { answer.AddHave(e.Cid) }

// Corrupt is the script of a peer that sends other bytes than were asked.
func Corrupt(e message.Entry, answer message.BitSwapMessage) {
	if e.WantType == pb.Message_Wantlist_Have {
		answer.AddHave(e.Cid)
		return
	}
	if b, err := blocks.NewBlockWithCid([]byte("not "+e.Cid.String()), e.Cid); err == nil {
		answer.AddBlock(b)
	}
}

// Lossy is the script of a peer that has the blocks, and whose answer to every
// tenth want is lost on the way the first time.
func Lossy(bs []blocks.Block) Script {
	serve := Serve(bs)
	lost := make(map[cid.Cid]bool)
	var mu sync.Mutex // streams are read side by side
	return func(e message.Entry, answer message.BitSwapMessage) {
		mu.Lock()
		defer mu.Unlock()
		_, again := lost[e.Cid]
		lost[e.Cid] = !again && len(lost)%10 == 0
		if !lost[e.Cid] {
			serve(e, answer)
		}
	}
}

// Deaf takes everything and never answers.
func Deaf(_ *Node, s network.Stream) { _, _ = io.Copy(io.Discard, s) }

// Stuck returns what keeps a stream open and reads nothing from it.
func (w *World) Stuck() func(*Node, network.Stream) {
	return func(*Node, network.Stream) { <-w.ctx.Done() }
}

// Sluggish takes everything, slowly, and never answers.
func Sluggish(_ *Node, s network.Stream) {
	for {
		if _, err := io.CopyN(io.Discard, s, 4<<10); err != nil {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// Forgetful reads one message of each stream, takes no note of it and resets the
// stream.
func Forgetful(_ *Node, s network.Stream) {
	_, _, _ = message.FromMsgReader(msgio.NewVarintReaderSize(s, 4<<20))
}

// Stumbling is [Forgetful] with so many streams of the first, and then serves the blocks.
func Stumbling(streams int, bs []blocks.Block) func(n *Node, s network.Stream) {
	script := Serve(bs)
	var begun atomic.Int64
	return func(n *Node, s network.Stream) {
		if begun.Add(1) <= int64(streams) {
			Forgetful(n, s)
			return
		}
		n.obey(s, script)
	}
}

// Resetting refuses every stream.
func Resetting(*Node, network.Stream) {}

// Impatient serves blocks, and resets a stream on which nothing came for five
// seconds, as Helia does.
func Impatient(bs []blocks.Block) func(n *Node, s network.Stream) {
	script := Serve(bs)
	return func(n *Node, s network.Stream) {
		n.obey(&impatientStream{Stream: s}, script)
	}
}

type impatientStream struct{ network.Stream }

func (s *impatientStream) Read(b []byte) (int, error) {
	if err := s.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return 0, err
	}
	return s.Stream.Read(b)
}
