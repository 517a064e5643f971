// Package pages reads the pages from which protocols are written in other languages,
// so that tests compare them with the code.
package pages

import (
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Read returns a page of docs/, wherever in the repository the test is.
func Read(t testing.TB, name string) string {
	t.Helper()
	up := ""
	for range deepest {
		if b, err := os.ReadFile(filepath.Join(up, "docs", name)); err == nil {
			return string(b)
		}
		up = filepath.Join("..", up)
	}
	require.FailNow(t, "there is no page "+name)
	return ""
}

// deepest is how many folders a package is below the root, and one more.
const deepest = 6

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
		require.True(t, strings.Contains(page, fmt.Sprintf("\n| %s | %v |", what, n)), "no row says that %s is %v", what, n)
	}
}
