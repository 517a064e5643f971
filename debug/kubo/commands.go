package kubo

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
)

// statistics is the answer of bitswap stat.
type statistics struct {
	Wantlist         []cid.Cid
	Peers            []string
	BlocksReceived   uint64
	DataReceived     uint64
	DupBlksReceived  uint64
	DupDataReceived  uint64
	MessagesReceived uint64
	BlocksSent       uint64
	DataSent         uint64
}

func stat(n Node, _ *options) (result, error) {
	s := n.Stat()
	out := &statistics{
		Wantlist: listed(n.Wantlist()), Peers: []string{},
		BlocksReceived: s.BlocksReceived, DataReceived: s.DataReceived,
		DupBlksReceived: s.DupBlksReceived, DupDataReceived: s.DupDataReceived,
		MessagesReceived: s.MessagesReceived, BlocksSent: s.BlocksSent, DataSent: s.DataSent,
	}
	for _, p := range n.Partners() {
		out.Peers = append(out.Peers, p.String())
	}
	slices.Sort(out.Peers)
	return out, nil
}

// listed makes a list that is never null in JSON.
func listed(cids []cid.Cid) []cid.Cid { return append([]cid.Cid{}, cids...) }

func (s *statistics) text(w io.Writer, o *options) {
	size := func(n uint64) string { return fmt.Sprint(n) }
	if o.human {
		size = human
	}
	fmt.Fprintf(w, "bitswap status\n\tblocks received: %d\n\tblocks sent: %d\n\tdata received: %s\n\tdata sent: %s\n",
		s.BlocksReceived, s.BlocksSent, size(s.DataReceived), size(s.DataSent))
	fmt.Fprintf(w, "\tdup blocks received: %d\n\tdup data received: %s\n\twantlist [%d keys]\n",
		s.DupBlksReceived, size(s.DupDataReceived), len(s.Wantlist))
	for _, c := range s.Wantlist {
		fmt.Fprintf(w, "\t\t%s\n", c)
	}
	fmt.Fprintf(w, "\tpartners [%d]\n", len(s.Peers))
	if o.verbose {
		for _, p := range s.Peers {
			fmt.Fprintf(w, "\t\t%s\n", p)
		}
	}
}

// human writes a size with a decimal prefix and, below ten, one decimal.
func human(n uint64) string {
	if n < 10 {
		return fmt.Sprintf("%d B", n)
	}
	units := []string{"B", "kB", "MB", "GB", "TB", "PB", "EB"}
	e := math.Floor(math.Log(float64(n)) / math.Log(1000))
	value := math.Floor(float64(n)/math.Pow(1000, e)*10+0.5) / 10
	if value < 10 {
		return fmt.Sprintf("%.1f %s", value, units[int(e)])
	}
	return fmt.Sprintf("%.0f %s", value, units[int(e)])
}

// receipt is the answer of bitswap ledger.
type receipt struct {
	Peer      string
	Value     float64
	Sent      uint64
	Recv      uint64
	Exchanged uint64
}

// ledgerOf answers with an empty account for a peer of which there is none.
func ledgerOf(n Node, o *options) (result, error) {
	if len(o.args) == 0 {
		return nil, &clientError{errors.New(`argument "peer" is required`)}
	}
	p, err := peer.Decode(o.args[0])
	if err != nil {
		return nil, err
	}
	r, _ := n.Ledger(p)
	return &receipt{Peer: p.String(), Value: r.Value, Sent: r.BytesSent, Recv: r.BytesReceived, Exchanged: r.Exchanged}, nil
}

func (r *receipt) text(w io.Writer, _ *options) {
	fmt.Fprintf(w, "Ledger for %s\nDebt ratio:\t%f\nExchanges:\t%d\nBytes sent:\t%d\nBytes received:\t%d\n\n",
		r.Peer, r.Value, r.Exchanged, r.Sent, r.Recv)
}

// keys is the answer of bitswap wantlist.
type keys struct{ Keys []cid.Cid }

// wantlist answers with what this node wants, or what a peer wants of it. Of a
// peer that wants nothing the list is null, as Kubo has it.
func wantlist(n Node, o *options) (result, error) {
	if o.peer != nil {
		p, err := peer.Decode(*o.peer)
		if err != nil {
			return nil, err
		}
		if p != n.Self() {
			return &keys{n.WantlistOf(p)}, nil
		}
	}
	return &keys{listed(n.Wantlist())}, nil
}

func (k *keys) text(w io.Writer, _ *options) {
	slices.SortFunc(k.Keys, func(a, b cid.Cid) int { return bytes.Compare(a.Bytes(), b.Bytes()) })
	for _, c := range k.Keys {
		fmt.Fprintln(w, c)
	}
}
