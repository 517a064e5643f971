package record

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNamespaceRules(t *testing.T) {
	for _, n := range []string{"a", "photos/2026", "Bücher", strings.Repeat("n", MaxNamespace), " ", "\ufffd"} {
		require.NoError(t, Namespace(n).Check(), "%q", n)
	}
	for _, tc := range []struct{ name, says string }{
		{"", `"": 1 to 128 bytes`},
		{strings.Repeat("n", MaxNamespace+1), "129 bytes: 1 to 128"},
		{strings.Repeat("n", 1<<20), "1048576 bytes: 1 to 128"},
		{"a\xffb", `"a\xffb": UTF-8`},
		{"a\x00b", "byte 1 is U+0000"},
		{"line\n", "byte 4 is U+000A"},
		{"\u0085", "byte 0 is U+0085"},
	} {
		err := Namespace(tc.name).Check()
		requireFault(t, FaultNamespace, err)
		require.ErrorContains(t, err, tc.says)
		require.Less(t, len(err.Error()), 200)
	}
}
