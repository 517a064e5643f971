package pins

import (
	"strings"
	"testing"
	"time"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/ipfs/go-datastore"
	dssync "github.com/ipfs/go-datastore/sync"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/adapter/dag/roots"
)

var when = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

func cidOf(text string) cid.Cid { return blocks.NewBlock([]byte(text)).Cid() } // version 0

func pin(text, name string, kind roots.Kind) Pin {
	return Pin{CID: cidOf(text), Name: name, Kind: kind, Time: when}
}

func all(t *testing.T, s *Set) (found []Pin) {
	t.Helper()
	for p, err := range s.All(t.Context()) {
		require.NoError(t, err)
		found = append(found, p)
	}
	return found
}

func TestPinsAreKeptByBlockAndName(t *testing.T) {
	s := New(dssync.MutexWrap(datastore.NewMapDatastore()))
	one, two, bare := pin("a", "one", roots.Recursive), pin("a", "two/../ §", roots.Direct), pin("a", "", roots.Recursive)
	other := pin("b", "one", roots.Recursive)
	for _, p := range []Pin{one, two, bare, other, one} {
		require.NoError(t, s.Add(t.Context(), p))
	}
	require.ElementsMatch(t, []Pin{one, two, bare, other}, all(t, s))

	direct := one
	direct.Kind = roots.Direct
	require.NoError(t, s.Add(t.Context(), direct))
	require.NoError(t, s.Remove(t.Context(), two))
	require.NoError(t, s.Remove(t.Context(), two))
	require.ElementsMatch(t, []Pin{direct, bare, other}, all(t, s))

	var of []Pin
	for p, err := range s.Of(t.Context(), cid.NewCidV1(cid.DagProtobuf, one.CID.Hash())) {
		require.NoError(t, err)
		of = append(of, p)
	}
	require.Equal(t, []Pin{bare, direct}, of)
}

func TestPinsAreRoots(t *testing.T) {
	s := New(dssync.MutexWrap(datastore.NewMapDatastore()))
	require.NoError(t, s.Add(t.Context(), pin("a", "name", roots.Direct)))
	var r roots.Registry
	require.NoError(t, r.Register(s))
	require.ErrorContains(t, r.Register(s), "pin")
	var found []roots.Root
	for root, err := range r.All(t.Context()) {
		require.NoError(t, err)
		found = append(found, root)
	}
	want := roots.Root{CID: cidOf("a"), Kind: roots.Direct, Source: "pin", Name: "name"}
	require.Equal(t, []roots.Root{want}, found)
	root, there, err := r.Of(t.Context(), cid.NewCidV1(cid.Raw, cidOf("a").Hash()))
	require.NoError(t, err)
	require.True(t, there)
	require.Equal(t, want, root)
	_, there, err = r.Of(t.Context(), cidOf("b"))
	require.NoError(t, err)
	require.False(t, there)
}

func TestWhatIsNoPinIsRefused(t *testing.T) {
	s := New(dssync.MutexWrap(datastore.NewMapDatastore()))
	for _, c := range []struct {
		pin  Pin
		says string
	}{
		{Pin{Kind: roots.Direct}, "no CID"},
		{pin("a", "", "indirect"), `"indirect" is neither`},
		{pin("a", strings.Repeat("x", MaxName+1), roots.Direct), "256 bytes"},
		{pin("a", "line\nfeed", roots.Direct), "control characters"},
		{pin("a", "\xff", roots.Direct), "UTF-8"},
	} {
		require.ErrorContains(t, s.Add(t.Context(), c.pin), c.says)
	}
	require.Empty(t, all(t, s))
	require.NoError(t, s.Add(t.Context(), pin("a", strings.Repeat("x", MaxName), roots.Direct)))
}

func TestADamagedEntryIsAnErrorAndNotPassedOver(t *testing.T) {
	for _, value := range []string{"", "{}", `{"cid":{"/":"` + cidOf("b").String() + `"},"type":"direct"}`} {
		data := dssync.MutexWrap(datastore.NewMapDatastore())
		s := New(data)
		require.NoError(t, data.Put(t.Context(), keyOf(cidOf("a"), ""), []byte(value)))
		var last error
		for _, err := range s.Roots(t.Context()) {
			last = err
		}
		var damaged *DamagedError
		require.ErrorAs(t, last, &damaged, value)
	}
}
