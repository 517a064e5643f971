package exchanges

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
)

const bareProtocol = "/bare/1.0.0"

var errNotFound = errors.New("the peer does not have the block")

// Bare moves blocks over one plain stream for each peer: a request is a list of
// CIDs, the answer is their bytes in the same order, and the receiver hashes
// them. It does not search, retry or share. It is the limit that the network
// sets, measured with the same hosts in the same run.
type Bare struct {
	host host.Host

	mu    sync.Mutex
	store map[cid.Cid]blocks.Block
	count Counters
}

// NewBare serves blocks over plain streams on h.
func NewBare(h host.Host) *Bare {
	b := &Bare{host: h, store: make(map[cid.Cid]blocks.Block)}
	h.SetStreamHandler(bareProtocol, b.serve)
	return b
}

// Put stores the blocks.
func (b *Bare) Put(_ context.Context, bs ...blocks.Block) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, block := range bs {
		b.store[block.Cid()] = block
	}
	return nil
}

// Subscribe fails: bare streams answer what is there.
func (b *Bare) Subscribe(context.Context, []cid.Cid, ...peer.ID) (<-chan blocks.Block, error) {
	return nil, errors.ErrUnsupported
}

// WantsOf is empty: a bare stream is answered while it is read.
func (b *Bare) WantsOf(peer.ID) []cid.Cid { return nil }

// Account is empty: bare streams keep none.
func (b *Bare) Account(peer.ID) Account { return Account{} }

// Has reports whether the block is stored.
func (b *Bare) Has(_ context.Context, c cid.Cid) (bool, error) {
	_, ok := b.load(c)
	return ok, nil
}

// Counters returns what passed so far.
func (b *Bare) Counters() Counters {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.count
}

// Close stops serving. Streams end with their fetchers.
func (b *Bare) Close() error {
	b.host.RemoveStreamHandler(bareProtocol)
	return nil
}

func (b *Bare) load(c cid.Cid) (blocks.Block, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	block, ok := b.store[c]
	return block, ok
}

func (b *Bare) asked() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.count.WantsReceived++
}

func (b *Bare) sent(block blocks.Block) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.count.BlocksSent++
	b.count.BytesSent += uint64(len(block.RawData()))
}

func (b *Bare) received(block blocks.Block) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.count.BlocksReceived++
	b.count.BytesReceived += uint64(len(block.RawData()))
	b.store[block.Cid()] = block
}

func (b *Bare) serve(s network.Stream) {
	defer s.Close()
	in := bufio.NewReader(s)
	out := bufio.NewWriterSize(s, 64<<10)
	for {
		c, err := readCID(in)
		if err != nil {
			return
		}
		b.asked()
		block, ok := b.load(c)
		if !ok || writeFrame(out, block.RawData()) != nil {
			_ = s.Reset()
			return
		}
		b.sent(block)
		if in.Buffered() == 0 && out.Flush() != nil {
			return
		}
	}
}

// Fetcher returns a fetcher that spreads each request evenly over the peers,
// which have to be named.
func (b *Bare) Fetcher(ctx context.Context, from ...peer.ID) Fetcher {
	return &bareFetcher{bare: b, ctx: ctx, from: from, streams: make(map[peer.ID]*bareStream)}
}

type bareFetcher struct {
	bare *Bare
	ctx  context.Context
	from []peer.ID

	mu      sync.Mutex
	streams map[peer.ID]*bareStream
}

type bareStream struct {
	network.Stream
	in *bufio.Reader
}

func (f *bareFetcher) GetBlock(ctx context.Context, c cid.Cid) (blocks.Block, error) {
	ch, err := f.GetBlocks(ctx, []cid.Cid{c})
	if err != nil {
		return nil, err
	}
	block, ok := <-ch
	if !ok {
		return nil, fmt.Errorf("%s: %w", c, errNotFound)
	}
	return block, nil
}

func (f *bareFetcher) GetBlocks(ctx context.Context, cs []cid.Cid) (<-chan blocks.Block, error) {
	if len(f.from) == 0 {
		return nil, errors.New("a bare fetcher has to be told whom to ask")
	}
	out := make(chan blocks.Block, len(cs))
	var all sync.WaitGroup
	for i, p := range f.from {
		share := cs[i*len(cs)/len(f.from) : (i+1)*len(cs)/len(f.from)]
		if len(share) == 0 {
			continue
		}
		s, err := f.stream(ctx, p)
		if err != nil {
			return nil, err
		}
		all.Go(func() { f.fetch(s, share, out) })
	}
	go func() {
		all.Wait()
		close(out)
	}()
	return out, nil
}

// stream returns the open stream to p, which ends with the fetcher.
func (f *bareFetcher) stream(ctx context.Context, p peer.ID) (*bareStream, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if s := f.streams[p]; s != nil {
		return s, nil
	}
	opened, err := f.bare.host.NewStream(ctx, p, bareProtocol)
	if err != nil {
		return nil, err
	}
	context.AfterFunc(f.ctx, func() { _ = opened.Reset() })
	s := &bareStream{Stream: opened, in: bufio.NewReaderSize(opened, 64<<10)}
	f.streams[p] = s
	return s, nil
}

func (f *bareFetcher) fetch(s *bareStream, share []cid.Cid, out chan<- blocks.Block) {
	request := make([]byte, 0, 40*len(share))
	for _, c := range share {
		request = binary.AppendUvarint(request, uint64(c.ByteLen()))
		request = append(request, c.Bytes()...)
	}
	// The peer answers before it has read everything, so that writing first and
	// reading afterwards could leave both sides waiting. A failed write shows
	// as a failed read.
	go func() { _, _ = s.Write(request) }()
	for _, c := range share {
		data, err := readFrame(s.in)
		if err != nil {
			return
		}
		sum, err := c.Prefix().Sum(data)
		if err != nil || !sum.Equals(c) {
			return
		}
		block, _ := blocks.NewBlockWithCid(data, c) // never fails
		f.bare.received(block)
		out <- block
	}
}

func readCID(in *bufio.Reader) (cid.Cid, error) {
	frame, err := readFrame(in)
	if err != nil {
		return cid.Undef, err
	}
	return cid.Cast(frame)
}

func readFrame(in *bufio.Reader) ([]byte, error) {
	n, err := binary.ReadUvarint(in)
	if err != nil {
		return nil, err
	}
	frame := make([]byte, n)
	_, err = io.ReadFull(in, frame)
	return frame, err
}

func writeFrame(out *bufio.Writer, frame []byte) error {
	if _, err := out.Write(binary.AppendUvarint(nil, uint64(len(frame)))); err != nil {
		return err
	}
	_, err := out.Write(frame)
	return err
}
