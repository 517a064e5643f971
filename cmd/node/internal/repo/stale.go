package repo

import (
	"os"
	"path/filepath"
	"regexp"
	"time"
)

// stale is the name of what [createOnce] and [Replace] write before it gets the name that
// it is to have: those of the repository's files, with the digits of os.CreateTemp.
var stale = regexp.MustCompile(`^\.(version|identity\.key|announced\.json|dataset|control\.path|config)-[0-9]+$`)

// staleAge is longer than anybody takes to write one: the identity is made without the
// lock, so another process may just be at it.
const staleAge = time.Minute

// removeStale removes what processes left that were killed while they wrote a file. What
// cannot be removed is in nobody's way.
func removeStale(dir string, now time.Time) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		if !stale.MatchString(e.Name()) || !e.Type().IsRegular() {
			continue
		}
		if info, err := e.Info(); err == nil && now.Sub(info.ModTime()) > staleAge {
			_ = os.Remove(filepath.Join(dir, e.Name()))
		}
	}
}
