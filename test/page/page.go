// Package page reads the pages from which protocols are written in other languages,
// so that tests compare them with the code.
package page

import (
	"encoding/hex"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Read returns a page of docs/ for a test of a package two floors below the root.
func Read(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile("../../docs/" + name)
	require.NoError(t, err)
	return string(b)
}

// block is an example of a page: its name, and its hexadecimal digits.
var block = regexp.MustCompile("Example: ([a-z ]+)\\.[^\n]*\n\n```\n([0-9a-f\n]*)```")

// Blocks returns the examples of a page by their names.
func Blocks(t testing.TB, page string) map[string][]byte {
	t.Helper()
	shown := make(map[string][]byte)
	for _, m := range block.FindAllStringSubmatch(page, -1) {
		b, err := hex.DecodeString(strings.Join(strings.Fields(m[2]), ""))
		require.NoError(t, err, m[1])
		shown[m[1]] = b
	}
	return shown
}

// RequireRows compares the rows of tables, of what and how many, with the numbers.
func RequireRows(t testing.TB, page string, numbers map[string]any) {
	t.Helper()
	for what, n := range numbers {
		require.Contains(t, page, fmt.Sprintf("\n| %s | %v |", what, n))
	}
}
