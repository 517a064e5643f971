package document

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/ipfs/go-cid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/souk-p2p/souk/download/policy"
)

func TestAScanYieldsWhatWasPutInInOrder(t *testing.T) {
	byKey := func(a, b Entry) int { return bytes.Compare(a.Key, b.Key) }
	part := rapid.SliceOfN(rapid.SampledFrom([]byte{0, 'a', '/', 0xff}), 0, 3)
	rapid.Check(t, func(rt *rapid.T) {
		s := newStore(t, newDisk())
		s.sortBytes = rapid.IntRange(1, 40_000).Draw(rt, "held")
		all := rapid.SliceOfNDistinct(rapid.Custom(func(rt *rapid.T) Entry {
			key := rapid.SliceOfN(rapid.SampledFrom([]byte{0, 'a', '/', 0xff}), 1, 5).Draw(rt, "key")
			return Entry{Key: key, CID: cidOf(string(key)), Size: uint64(len(key)), Metadata: make([]byte, rapid.SampledFrom([]int{0, 10, MaxMetadata}).Draw(rt, "metadata"))}
		}), 0, 60, func(e Entry) string { return string(e.Key) }).Draw(rt, "entries")
		made, err := s.Create(t.Context(), Draft{Name: "some", Root: cidOf("some")}, these(all...))
		require.NoError(rt, err)
		require.Equal(rt, uint64(len(all)), made.Entries)

		prefix, from := part.Draw(rt, "prefix"), part.Draw(rt, "from")
		var want, got []Entry
		for _, e := range all {
			if bytes.HasPrefix(e.Key, prefix) && bytes.Compare(e.Key, from) >= 0 {
				want = append(want, e)
			}
		}
		slices.SortFunc(want, byKey)
		for e, err := range open(t, s, made.ID).Scan(t.Context(), prefix, from) {
			require.NoError(rt, err)
			got = append(got, Entry{Key: e.Key, CID: e.CID, Size: e.Size, Metadata: append(make([]byte, 0, 1), e.Metadata...)})
		}
		require.Len(rt, got, len(want))
		for i := range want {
			require.Equal(rt, want[i].Key, got[i].Key)
			require.Equal(rt, want[i].CID, got[i].CID)
			require.Equal(rt, want[i].Size, got[i].Size)
			require.True(rt, bytes.Equal(want[i].Metadata, got[i].Metadata))
		}
	})
}

func TestADocumentIsFoundByItsNameAndID(t *testing.T) {
	s := newStore(t, newDisk())
	photos := create(t, s, "photos", entriesOf("a", "b")...)
	require.Equal(t, IDOf(cidOf("photos"), "photos"), photos.ID)
	require.Equal(t, "doc/"+photos.ID.String(), photos.ID.Namespace())
	require.Equal(t, uint64(2), photos.Bytes)
	for _, text := range []string{"photos", photos.ID.String(), photos.ID.String()[:minDigits]} {
		found, err := s.Find(t.Context(), text)
		require.NoError(t, err)
		require.Equal(t, photos, found)
	}
	for _, text := range []string{"", "music", photos.ID.String()[:minDigits-1], none.String(), photos.ID.String() + "0"} {
		_, err := s.Find(t.Context(), text)
		require.ErrorAs(t, err, new(*NotFoundError), text)
	}
	_, err := s.Create(t.Context(), Draft{Name: "photos", Root: cidOf("others")}, these())
	require.NoError(t, err)
	_, err = s.Find(t.Context(), "photos")
	require.ErrorAs(t, err, new(*AmbiguousError))
	listed := 0
	for one, err := range s.List(t.Context()) {
		require.NoError(t, err)
		require.Equal(t, "photos", one.Name)
		listed++
	}
	require.Equal(t, 2, listed)
}

func TestWhatIsNoDocumentIsRefused(t *testing.T) {
	long := strings.Repeat("x", MaxKey+1)
	for _, c := range []struct {
		name string
		root cid.Cid
		has  []Entry
		says string
	}{
		{"", cidOf("r"), nil, "document name of 0 bytes"},
		{strings.Repeat("n", MaxName+1), cidOf("r"), nil, "1 to 255 are right"},
		{"a\nb", cidOf("r"), nil, "without control characters"},
		{"a\xff", cidOf("r"), nil, "UTF-8"},
		{"n", cid.Undef, nil, "a root CID of 0 bytes"},
		{"n", cidOf("r"), entriesOf("a", "b", "a"), `two entries have the key "a"`},
		{"n", cidOf("r"), entriesOf("a", ""), "a key of 0 bytes"},
		{"n", cidOf("r"), entriesOf(long), "a key of 1025 bytes"},
		{"n", cidOf("r"), []Entry{{Key: []byte("a")}}, "a CID of 0 bytes"},
		{"n", cidOf("r"), []Entry{{Key: []byte("a"), CID: cidOf("a"), Metadata: make([]byte, MaxMetadata+1)}}, "metadata of 4097 bytes"},
	} {
		d := newDisk()
		_, err := newStore(t, d).Create(t.Context(), Draft{Name: c.name, Root: c.root}, these(c.has...))
		require.ErrorContains(t, err, c.says)
		require.Empty(t, d.rows(t), "nothing is left")
	}
}

func TestEntriesThatEndWithAnErrorMakeNoDocument(t *testing.T) {
	d := newDisk()
	s := newStore(t, d)
	s.sortBytes = 10_000
	broken := errors.New("no more")
	_, err := s.Create(t.Context(), Draft{Name: "some", Root: cidOf("some")}, func(yield func(Entry, error) bool) {
		for _, e := range numbered(200) {
			yield(e, nil)
		}
		require.Len(t, s.Imports(), 1)
		require.Equal(t, uint64(200), s.Imports()[0].Entries)
		_, err := s.Create(t.Context(), Draft{Name: "some", Root: cidOf("some")}, these())
		require.ErrorAs(t, err, new(*BusyError), "one import of a document at a time")
		yield(Entry{}, broken)
	})
	require.ErrorIs(t, err, broken)
	require.Empty(t, d.rows(t))
	require.Empty(t, s.Imports())
}

func TestADocumentIsMadeOnce(t *testing.T) {
	s := newStore(t, newDisk())
	made := create(t, s, "photos", entriesOf("a")...)
	_, err := s.Create(t.Context(), Draft{Name: "photos", Root: cidOf("photos")}, these())
	var there *ExistsError
	require.ErrorAs(t, err, &there)
	require.Equal(t, made, there.Info)
}

// Whenever the process ends, the next finds the document whole or not at all, and what is
// left of it is removed.
func TestAnImportThatIsKilledAtAnyWriteLeavesAllOrNothing(t *testing.T) {
	all := numbered(300)
	for left := int64(0); ; left++ {
		d := newDisk()
		s := newStore(t, d)
		s.sortBytes = 50_000
		d.left.Store(left)
		_, err := s.Create(t.Context(), Draft{Name: "some", Root: cidOf("some")}, these(all...))
		d.left.Store(1 << 40)

		next := newStore(t, d)
		require.NoError(t, next.Tidy(t.Context()))
		doc, lost := next.Document(t.Context(), IDOf(cidOf("some"), "some"))
		if lost != nil {
			require.Error(t, err)
			require.ErrorAs(t, lost, new(*NotFoundError))
			require.Empty(t, d.rows(t), "after %d writes", left)
			continue
		}
		found, scanned := keys(doc.Scan(t.Context(), nil, nil))
		require.NoError(t, scanned)
		require.Len(t, found, len(all))
		require.Empty(t, pending(t, d))
		if err == nil {
			require.Greater(t, left, int64(10), "it takes several writes")
			return
		}
	}
}

func pending(t *testing.T, d *disk) []string {
	return slices.DeleteFunc(d.rows(t), func(key string) bool { return !strings.HasPrefix(key, pendPrefix.String()) })
}

func TestARemovalThatIsKilledAtAnyWriteLeavesAllOrNothing(t *testing.T) {
	for left := int64(0); ; left++ {
		d := newDisk()
		s := newStore(t, d)
		made := create(t, s, "some", numbered(300)...)
		require.NoError(t, s.SetPolicy(t.Context(), made.ID, policy.Nothing()))
		require.NoError(t, s.SetSyncing(t.Context(), made.ID, true))
		d.left.Store(left)
		_, err := s.Remove(t.Context(), made.ID)
		d.left.Store(1 << 40)

		next := newStore(t, d)
		require.NoError(t, next.Tidy(t.Context()))
		if doc, gone := next.Document(t.Context(), made.ID); gone == nil {
			found, scanned := keys(doc.Scan(t.Context(), nil, nil))
			require.NoError(t, scanned)
			require.Len(t, found, 300)
		} else {
			require.ErrorAs(t, gone, new(*NotFoundError))
			again := create(t, next, "some", entriesOf("a")...)
			require.True(t, again.Policy.Equal(policy.Everything()) && !again.Syncing, "what was said of it went with it, after %d writes", left)
			_, gone = next.Remove(t.Context(), made.ID)
			require.NoError(t, gone)
			require.Empty(t, d.rows(t))
		}
		if err == nil {
			return
		}
	}
}

func TestAScanOfADocumentThatIsRemovedSaysSo(t *testing.T) {
	s := newStore(t, newDisk())
	made := create(t, s, "some", numbered(300)...)
	changes, err := open(t, s, made.ID).Watch(t.Context())
	require.NoError(t, err)
	removed := false
	_, err = keys(func(yield func(Entry, error) bool) {
		for e, err := range open(t, s, made.ID).Scan(t.Context(), nil, nil) {
			if !removed {
				_, err := s.Remove(t.Context(), made.ID)
				require.NoError(t, err)
				removed = true
			}
			if !yield(e, err) {
				return
			}
		}
	})
	require.ErrorIs(t, err, ErrRemoved)
	_, open := <-changes
	require.False(t, open, "who watches is told")
	_, err = s.Remove(t.Context(), made.ID)
	require.ErrorAs(t, err, new(*NotFoundError))
	_, err = s.Document(t.Context(), made.ID)
	require.ErrorAs(t, err, new(*NotFoundError))
}

func TestALostPageIsDamageAndNoEnd(t *testing.T) {
	d := newDisk()
	s := newStore(t, d)
	made := create(t, s, "some", numbered(300)...)
	r, err := s.record(t.Context(), made.ID)
	require.NoError(t, err)
	require.Greater(t, r.Pages, uint32(3))
	require.NoError(t, d.Delete(t.Context(), pageKey(r.Generation, 2)))
	_, err = keys(open(t, s, made.ID).Scan(t.Context(), nil, nil))
	require.ErrorAs(t, err, new(*DamagedError))
	require.NoError(t, d.Put(t.Context(), pageKey(r.Generation, 2), []byte{200}))
	_, err = keys(open(t, s, made.ID).Scan(t.Context(), nil, nil))
	require.ErrorAs(t, err, new(*DamagedError))
}

func TestAPolicyIsThatOfADocument(t *testing.T) {
	d := newDisk()
	s := newStore(t, d)
	only, err := policy.Parse("nothing-except", "prefix:utf8:a")
	require.NoError(t, err)
	require.ErrorAs(t, s.SetPolicy(t.Context(), none, only), new(*NotFoundError))
	require.Empty(t, d.rows(t))
	_, err = s.Policy(t.Context(), none)
	require.ErrorAs(t, err, new(*NotFoundError))

	made := create(t, s, "some", entriesOf("a", "b")...)
	require.True(t, made.Policy.Equal(policy.Everything()))
	require.NoError(t, s.SetPolicy(t.Context(), made.ID, only))
	got, err := newStore(t, d).Policy(t.Context(), made.ID)
	require.NoError(t, err)
	require.True(t, only.Equal(got), "it outlasts the process")

	require.False(t, made.Syncing)
	require.ErrorAs(t, s.SetSyncing(t.Context(), none, true), new(*NotFoundError))
	for _, on := range []bool{true, false, true} {
		require.NoError(t, s.SetSyncing(t.Context(), made.ID, on))
		one, err := newStore(t, d).Info(t.Context(), made.ID)
		require.NoError(t, err)
		require.Equal(t, on, one.Syncing)
	}

	require.NoError(t, d.Put(t.Context(), policyPrefix.ChildString(made.ID.String()), []byte("x")))
	_, err = s.Policy(t.Context(), made.ID)
	require.ErrorAs(t, err, new(*DamagedError), "what is not known is not taken for everything")
}

func TestWhoWatchesTheStoreIsToldAndNotWaitedFor(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := newStore(t, newDisk())
	changed := s.Watch(ctx)
	made := create(t, s, "some", entriesOf("a")...)
	require.NoError(t, s.SetPolicy(ctx, made.ID, policy.Nothing()))
	<-changed
	require.Empty(t, changed)
	_, err := s.Remove(ctx, made.ID)
	require.NoError(t, err)
	<-changed
	cancel()
	_, open := <-changed
	require.False(t, open)
	_, err = (&imported{store: s, id: made.ID}).Watch(t.Context())
	require.ErrorAs(t, err, new(*NotFoundError))
}

func FuzzPage(f *testing.F) {
	e := entry("a")
	f.Add(appendEntry(appendEntry(nil, &e), &e))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, page []byte) {
		for len(page) > 0 {
			e, rest, err := cutEntry(page)
			if err != nil {
				return
			}
			require.NoError(t, e.Check())
			again, none, err := cutEntry(appendEntry(nil, &e))
			require.NoError(t, err)
			require.Empty(t, none)
			require.Equal(t, e, again)
			page = rest
		}
	})
}
