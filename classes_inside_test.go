package souk

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/ledger"
)

// Rules can be replaced for ever, by others with other names.
func TestClassesThatAreCountedAreBounded(t *testing.T) {
	c := classes{passed: make(map[string]*ledger.Counters)}
	for i := range 3 * mostClasses {
		c.count(fmt.Sprint("class", i), &ledger.Counters{BytesSent: 1, BlocksSent: 1})
	}
	all := c.totals()
	require.Len(t, all, mostClasses+1)
	require.EqualValues(t, 2*mostClasses, all["other"].BytesSent)
}
