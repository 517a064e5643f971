package crash

import (
	"context"
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/souk-p2p/souk/test/internal/command"
)

// The test binary is also the program that writes to a store until it is killed:
// with these in its environment.
const (
	writesTo   = "SOUK_CRASH_WRITES_TO" // a directory
	writesWith = "SOUK_CRASH_WRITES_WITH"
	writesSeed = "SOUK_CRASH_WRITES_SEED"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(writesTo); dir != "" {
		if err := write(context.Background(), os.Getenv(writesWith), dir, os.Getenv(writesSeed)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	// Pebble leaves these when it panics over a damaged file.
	left := goleak.IgnoreAnyFunction("github.com/cockroachdb/pebble/v2/internal/genericcache.(*shard[...]).releaseLoop")
	goleak.VerifyTestMain(m, left, goleak.Cleanup(func(code int) {
		command.Remove()
		os.Exit(code)
	}))
}
