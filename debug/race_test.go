//go:build race

package debug

import "time"

// crowdTime is ten times what is promised: so much slower the race detector makes
// it.
const crowdTime = 2 * time.Second
