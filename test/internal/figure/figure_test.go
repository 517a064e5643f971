package figure

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRowsAreReadInTheOrderInWhichTheyWereEmitted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rows")
	t.Setenv(File, path)
	rows := []Row{
		{Suite: "virtual", Scenario: "chain of 50", Make: "bare", Values: []Value{{"time", "s", 5}}},
		{Suite: "virtual", Scenario: "chain of 50", Make: "souk", Values: []Value{{"time", "s", 5.01}, {"copies", "", 1}}},
	}
	for _, r := range rows {
		require.NoError(t, Emit(r))
	}
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	got, err := Read(f)
	require.NoError(t, err)
	require.Equal(t, rows, got)
	copies, ok := got[1].Of("copies")
	require.True(t, ok)
	require.Equal(t, 1.0, copies)
}

func TestARowThatIsCutIsAnError(t *testing.T) {
	f, err := os.Open("testdata/cut")
	require.NoError(t, err)
	defer f.Close()
	rows, err := Read(f)
	require.ErrorContains(t, err, "row 1")
	require.Len(t, rows, 1)
}

func TestWithoutAFileRowsGoNowhere(t *testing.T) {
	t.Setenv(File, "")
	require.NoError(t, Emit(Row{Scenario: "chain of 50"}))
}
