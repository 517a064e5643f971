package souk

// Stat are counters since the exchange was made.
type Stat struct {
	BlocksReceived   uint64 // from peers, duplicates included
	DataReceived     uint64 // bytes of those
	DupBlksReceived  uint64 // of those, blocks that nobody here waited for any more
	DupDataReceived  uint64 // bytes of those
	BlocksSent       uint64 // accepted by a stream
	DataSent         uint64 // bytes of those
	MessagesReceived uint64
	MessagesSent     uint64
	WantsReceived    uint64 // entries of peers' wantlists, no cancels
}

// Stat returns the counters. It never blocks.
func (x *Exchange) Stat() Stat {
	b, e, n := x.blocks.Stat(), x.engine.Stat(), x.network.Stat()
	return Stat{
		BlocksReceived: b.BlocksReceived, DataReceived: b.DataReceived,
		DupBlksReceived: b.DupBlksReceived, DupDataReceived: b.DupDataReceived,
		BlocksSent: e.BlocksSent, DataSent: e.DataSent,
		MessagesReceived: n.MessagesReceived, MessagesSent: n.MessagesSent,
		WantsReceived: e.WantsReceived,
	}
}
