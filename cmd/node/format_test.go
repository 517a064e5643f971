package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSizesForPeople(t *testing.T) {
	for n, want := range map[uint64]string{
		0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 1536: "1.5 KiB", 256 << 20: "256.0 MiB", 1 << 63: "8.0 EiB",
	} {
		require.Equal(t, want, formatBytes(n))
	}
}
