package blockrouter

import (
	"maps"
	"slices"

	"github.com/ipfs/go-cid"
)

// merge joins two pieces of news for one link, older first. The result holds
// each CID and each presence about once, however often it was told.
func merge(older, newer Info) Info {
	older.Blocks = append(older.Blocks, newer.Blocks...)
	older.Local = mergeCIDs(older.Local, newer.Local)
	older.Missing = mergeCIDs(older.Missing, newer.Missing)
	older.Presences = mergeMaps(older.Presences, newer.Presences)
	older.Failed = mergeMaps(older.Failed, newer.Failed)
	return older
}

func mergeMaps[K comparable, V any](older, newer map[K]V) map[K]V {
	if older == nil {
		return newer
	}
	maps.Copy(older, newer)
	return older
}

// mergeCIDs appends, and drops what is there twice each time that the list would
// have to grow: so it stays within a few times of what it must hold, and costs
// little for each CID.
func mergeCIDs(older, newer []cid.Cid) []cid.Cid {
	if len(older)+len(newer) > cap(older) && len(older) > 0 {
		older = unique(older)
		older = slices.Grow(older, len(older)+len(newer))
	}
	return append(older, newer...)
}

// unique keeps the first of each CID.
func unique(cids []cid.Cid) []cid.Cid {
	seen := make(map[cid.Cid]struct{}, len(cids))
	return slices.DeleteFunc(cids, func(c cid.Cid) bool {
		_, twice := seen[c]
		seen[c] = struct{}{}
		return twice
	})
}
