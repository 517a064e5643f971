package resolver

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/resolver/server"
	"github.com/souk-p2p/souk/test/pages"
)

func TestTheManualHasTheDefaults(t *testing.T) {
	l := Limits{}.withDefaults()
	pages.RequireRows(t, pages.Read(t, "resolver.md"), map[string]any{
		"`Latency`": l.Latency, "`Timeout`": l.Timeout, "`Retry`": l.Retry, "`Outstanding`": l.Outstanding,
		"`Rate`, `Burst`": fmt.Sprintf("%v, %d", l.Rate, l.Burst), "`Hedge`": l.Hedge, "`Undelivered`": mebibytes(l.Undelivered),
		"`MaxValue`": mebibytes(l.MaxValue),
	})
	s := server.Limits{}.WithDefaults()
	pages.RequireRows(t, pages.Read(t, "resolver.md"), map[string]any{
		"`Producing`, `PeerProducing`": fmt.Sprintf("%d, %d", s.Producing, s.PeerProducing), "`ProduceTime`": s.ProduceTime,
		"`Waiting`, `PeerWaiting`": fmt.Sprintf("%d, %d", s.Waiting, s.PeerWaiting), "`WaitTime`": s.WaitTime,
		"`Rate`, `PeerRate`":       fmt.Sprintf("%v, %v", s.Rate, s.PeerRate),
		"`Unread`, `PeerUnread`":   mebibytes(s.Unread) + ", " + mebibytes(s.PeerUnread),
		"`Kept`, `KeepTime`":       mebibytes(s.Kept) + ", " + s.KeepTime.String(),
		"`Streams`, `PeerStreams`": fmt.Sprintf("%d, %d", s.Streams, s.PeerStreams),
	})
	require.Equal(t, 10*time.Minute, halfLife)
	require.EqualValues(t, [...]int{1, 4, 5, 10}, [...]int{penaltyUnasked, penaltyMalformed, penaltyShared, mostPenalty})
}

func mebibytes[T int | int64](n T) string { return fmt.Sprintf("%d MiB", n>>20) }
