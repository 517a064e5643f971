package node

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/debug"
	"github.com/souk-p2p/souk/providers/record"
	"github.com/souk-p2p/souk/providers/tracker"
	"github.com/souk-p2p/souk/providers/wire"
)

func TestThePageHasWhatTheTrackerCounts(t *testing.T) {
	s := tracker.Stat{StreamsOfPeer: 9, Table: tracker.TableStat{
		Namespaces: 1, Announcers: 2, Rows: 3, Watches: 4, Bytes: 5,
		Announced: 6, Touched: 7, Queries: 8, Answered: 9, Feedback: 10, Probed: 11, Expired: 12, Evicted: 13,
	}}
	s.Table.Refused[tracker.Accepted], s.Table.Refused[tracker.RefusedRate] = 1000, 14
	s.Records[record.FaultSignature], s.Faults[wire.FaultEncoding] = 15, 16
	top := []tracker.NamespaceStat{
		{Namespace: "photos", Rows: 2, Announcers: 2, Announces: 17, Queries: 18, AnnounceRate: 0.5, QueryRate: 19},
		{Namespace: "maps", Narrow: true, Shard: 0x0a, Rows: 1},
	}
	require.Equal(t, debug.Tracker{
		Namespaces: 1, Announcers: 2, Rows: 3, Watches: 4, Bytes: 5, Budget: 1 << 20,
		Announced: 6, Touched: 7, Queries: 8, Answered: 9, Feedback: 10, Probed: 11, Expired: 12, Evicted: 13,
		Refused: map[string]uint64{"rate": 14, "record: signature": 15, "message: encoding": 16, "streams of a peer": 9},
		Top: []debug.Namespace{
			{Name: "photos", Rows: 2, Announcers: 2, Announces: 17, Queries: 18, AnnounceRate: 0.5, QueryRate: 19},
			{Name: "maps", Shard: "0a", Rows: 1},
		},
	}, trackerPage(s, top, 1<<20))
}
