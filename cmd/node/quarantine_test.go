package main

import (
	"bytes"
	"testing"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/stretchr/testify/require"
)

func TestWhatVerifyHasPutAsideIsListedAndRemoved(t *testing.T) {
	for _, running := range []bool{false, true} {
		dir := t.TempDir()
		first, second := put(t, dir, "hello, world\n"), put(t, dir, "hello, moon\n")
		spoil(t, dir, first)
		spoil(t, dir, second)
		if running {
			start(t, dir)
		}
		require.Empty(t, must(t, dir, "quarantine", "ls"))
		began := time.Now()
		require.Equal(t, exitFailed, command(t, dir, "verify", "--quarantine").code)
		require.Equal(t, first, put(t, dir, "hello, world\n"))

		text := must(t, dir, "quarantine", "ls")
		require.Len(t, lines(text), 2)
		require.Regexp(t, first+` \d{4}-\d\d-\d\d \d\d:\d\d:\d\d, 14 B put aside, stored again: `, text)
		require.Contains(t, text, ", not stored: ")
		all := decodeLines[quarantineLine](t, must(t, dir, "--json", "quarantine", "ls"))
		require.Len(t, all, 2)
		byCID := map[string]quarantineLine{all[0].CID: all[0], all[1].CID: all[1]}
		require.True(t, byCID[first].Stored)
		require.False(t, byCID[second].Stored)
		require.Equal(t, len("something else"), byCID[second].Size)
		require.NotEmpty(t, byCID[second].Reason)
		require.WithinDuration(t, began, byCID[second].Time, time.Minute)

		require.Equal(t, exitUsage, command(t, dir, "quarantine", "rm").code)
		require.Equal(t, exitUsage, command(t, dir, "quarantine", "rm", "--all", first).code)
		other := cid.NewCidV1(cid.DagProtobuf, cid.MustParse(first).Hash()).String()
		require.Contains(t, must(t, dir, "quarantine", "rm", other), "removed "+first)
		o := command(t, dir, "quarantine", "rm", first)
		require.Equal(t, exitNotFound, o.code)
		require.Contains(t, o.err, "nothing was put aside of "+first)
		must(t, dir, "block", "stat", first)
		require.Len(t, decodeLines[quarantineLine](t, must(t, dir, "--json", "quarantine", "rm", "--all")), 1)
		require.Empty(t, must(t, dir, "quarantine", "ls"))
	}
}

func TestTheJSONOfTheQuarantineIsStable(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, printJSON(&out, quarantineLine{CID: helloCID, Reason: "r", Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Size: 1, Stored: true}))
	require.Equal(t, `{"cid":"`+helloCID+`","reason":"r","time":"2026-01-02T03:04:05Z","size":1,"stored":true}`+"\n", out.String())
}
