package logs

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTailKeepsTheLastLines(t *testing.T) {
	var tail Tail
	require.Empty(t, tail.Bytes())
	for i := range 20_000 {
		n, err := fmt.Fprintf(&tail, "this is line %08d\n", i)
		require.NoError(t, err)
		require.Equal(t, 22, n)
	}
	kept := tail.Bytes()
	require.LessOrEqual(t, len(kept), tailBytes)
	require.Greater(t, len(kept), tailBytes/2)
	require.True(t, bytes.HasPrefix(kept, []byte("this is line ")), "whole lines")
	require.True(t, bytes.HasSuffix(kept, []byte("this is line 00019999\n")))
}

func TestTailIsBounded(t *testing.T) {
	var tail Tail
	for range 10 {
		_, err := tail.Write(bytes.Repeat([]byte("x\n"), tailBytes))
		require.NoError(t, err)
	}
	require.LessOrEqual(t, len(tail.kept), 2*tailBytes)
	require.LessOrEqual(t, len(tail.Bytes()), tailBytes)
}
