package souk

import (
	"github.com/ipfs/go-datastore"

	"github.com/souk-p2p/souk/providers/tracker"
)

// TrackerConfig says how a tracker is run. Zero fields mean the defaults.
type TrackerConfig struct {
	// Limits bound what it keeps for others.
	Limits tracker.Limits
	// Keep is where it keeps what it was told, so that a restart is not amnesia.
	// The default is nowhere.
	Keep datastore.Batching
	// List is a signed list of trackers that it hands out; see
	// [record.SignTrackers].
	List []byte
	// Public are the namespaces from which questions over HTTP are answered that
	// name none.
	Public []string
}
