package main

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestVersion(t *testing.T) {
	require.Contains(t, must(t, t.TempDir(), "version"), "control API v2")
	var v versionInfo
	require.NoError(t, json.Unmarshal([]byte(must(t, t.TempDir(), "--json", "version")), &v))
	require.Equal(t, 1, v.Repo)
}
