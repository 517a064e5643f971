//go:build !race

package debug

import "time"

// crowdTime is what a page may take with ten thousand peers.
const crowdTime = 200 * time.Millisecond
