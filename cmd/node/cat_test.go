package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCatWritesARange(t *testing.T) {
	dir := t.TempDir()
	root := add(t, dir, tree(t))
	require.Equal(t, "hello, world\nhello, world\n", must(t, dir, "cat", root+"/hello.txt", root+"/hello.txt"))
	require.Equal(t, "world", must(t, dir, "cat", root+"/hello.txt", "--offset", "7", "--length", "5"))
	o := command(t, dir, "cat", root+"/deep")
	require.Equal(t, exitFailed, o.code)
	require.Contains(t, o.err, "not a file")
	o = command(t, dir, "cat", root+"/nowhere")
	require.Equal(t, exitNotFound, o.code)
	require.Contains(t, o.err, "nowhere")
}
