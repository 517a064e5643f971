package client_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/providers/client"
	"github.com/souk-p2p/souk/providers/wire"
)

// nearby is a network on which every tracker is in this process and answers at once.
type nearby struct{}

func (nearby) OpenDuplex(_ context.Context, to peer.AddrInfo, _ protocol.ID) (client.Stream, error) {
	ours, theirs := client.Pipe(to.ID, nil)
	go func() {
		defer theirs.Close()
		for in := wire.NewReader(theirs, wire.Client); ; {
			m, err := in.Next()
			if err != nil {
				return
			}
			frame, _ := wire.AppendFrame(nil, &wire.Reply{ID: m.(*wire.Query).ID})
			if _, err := theirs.Write(frame); err != nil {
				return
			}
		}
	}()
	return ours, nil
}

func (nearby) OnDisconnect(func(peer.ID))    {}
func (nearby) Hold(p peer.ID, tag string)    {}
func (nearby) Release(p peer.ID, tag string) {}

// BenchmarkAsks shows what a question costs beside the network, and how many pass in
// a second when many ask.
func BenchmarkAsks(b *testing.B) {
	for _, trackers := range []int{1, 16} {
		for _, callers := range []int{1, 16, 256} {
			b.Run(fmt.Sprintf("of=%d/by=%d", trackers, callers), func(b *testing.B) { asks(b, trackers, callers) })
		}
	}
}

func asks(b *testing.B, trackers, callers int) {
	var pinned []peer.AddrInfo
	for i := range trackers {
		pinned = append(pinned, peer.AddrInfo{ID: peer.ID(fmt.Sprint("tracker", i))})
	}
	c := client.New(client.Config{Network: nearby{}, Self: "self", Pinned: pinned})
	c.Start()
	defer func() { require.NoError(b, c.Stop(context.Background())) }()
	todo := make(chan int, callers)
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			for i := range todo {
				_, err := c.Query(context.Background(), pinned[i%trackers].ID, wire.Query{About: wire.About{Namespace: "photos"}, K: 8})
				if err != nil {
					b.Error(err)
				}
			}
		})
	}
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		todo <- i
	}
	close(todo)
	all.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "asks/s")
	b.ReportMetric(float64(c.Busy())/float64(b.N), "loop-ns/op")
}
