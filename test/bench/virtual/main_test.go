package virtual

import (
	"flag"
	"testing"

	"go.uber.org/goleak"
)

var (
	full = flag.Bool("full", false, "run the scenarios at sizes that are worth publishing, and not as tests")
	runs = flag.Int("runs", 1, "how often to run each cell of the table; the run with the median time counts")
	only = flag.String("only", "", "run the cells whose scenario and make, with a slash between them, match this expression")

	override Override
)

func TestMain(m *testing.M) {
	override.Register(flag.CommandLine)
	goleak.VerifyTestMain(m)
}
