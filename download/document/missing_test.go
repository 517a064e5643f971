package document

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"testing"

	"github.com/ipfs/go-cid"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/download/policy"
)

// here is what is stored, by the text that a CID was made of.
type here map[cid.Cid]Presence

func (h here) look(_ context.Context, root cid.Cid) (Presence, error) {
	if p, there := h[root]; there {
		return p, nil
	}
	return Presence{Absent: 1}, nil
}

func lacks(missing iter.Seq2[Lack, error]) (all []string, err error) {
	for l, err := range missing {
		if err != nil {
			return all, err
		}
		state := "absent"
		if l.Partial() {
			state = fmt.Sprintf("%d blocks of %d bytes", l.Blocks, l.Presence.Bytes)
		}
		all = append(all, string(l.Key)+": "+state)
	}
	return all, nil
}

func TestMissingIsWhatThePolicyCoversAndIsNotWhole(t *testing.T) {
	s := newStore(t, newDisk())
	made := create(t, s, "some", entriesOf("a/1", "a/2", "a/3", "b/1", "b/2", "c")...)
	doc := open(t, s, made.ID)
	stored := here{cidOf("a/2"): {Blocks: 3, Bytes: 9}, cidOf("b/1"): {Blocks: 2, Bytes: 5, Absent: 4}}
	for _, c := range []struct {
		policy []string
		from   string
		want   []string
	}{
		{[]string{"everything"}, "", []string{"a/1: absent", "a/3: absent", "b/1: 2 blocks of 5 bytes", "b/2: absent", "c: absent"}},
		{[]string{"everything"}, "a/3", []string{"a/3: absent", "b/1: 2 blocks of 5 bytes", "b/2: absent", "c: absent"}},
		{[]string{"everything-except", "prefix:utf8:a/"}, "", []string{"b/1: 2 blocks of 5 bytes", "b/2: absent", "c: absent"}},
		{[]string{"nothing-except", "exact:utf8:c", "exact:utf8:a/2", "exact:utf8:a/1"}, "", []string{"a/1: absent", "c: absent"}},
		{[]string{"nothing"}, "", nil},
	} {
		p, err := policy.Parse(c.policy...)
		require.NoError(t, err)
		got, err := lacks(Missing(t.Context(), doc, p, []byte(c.from), stored.look))
		require.NoError(t, err)
		require.Equal(t, c.want, got, "%v from %q", c.policy, c.from)
	}
}

func TestWhatCannotBeLookedAtEndsTheListWithTheReason(t *testing.T) {
	s := newStore(t, newDisk())
	doc := open(t, s, create(t, s, "some", entriesOf("a", "b")...).ID)
	broken := errors.New("disk")
	got, err := lacks(Missing(t.Context(), doc, policy.Everything(), nil, func(_ context.Context, c cid.Cid) (Presence, error) {
		if c == cidOf("b") {
			return Presence{}, broken
		}
		return Presence{Absent: 1}, nil
	}))
	require.ErrorIs(t, err, broken)
	require.Equal(t, []string{"a: absent"}, got)

	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = lacks(Missing(ended, doc, policy.Everything(), nil, here{}.look))
	require.ErrorIs(t, err, context.Canceled)
}

// A node that wants a few of many entries does not read the others.
func TestAPolicyOfFewKeysReadsFewPages(t *testing.T) {
	d := newDisk()
	s := newStore(t, d)
	doc := open(t, s, create(t, s, "some", numbered(3_000)...).ID)
	for _, c := range []struct {
		policy []string
		want   int
		reads  int64
	}{
		{[]string{"nothing-except", "exact:utf8:dir3/0003"}, 1, 12},
		{[]string{"nothing-except", "prefix:utf8:dir6/000"}, 1, 12},
		{[]string{"nothing-except", "prefix:utf8:dir0/", "exact:utf8:dir6/9999"}, 429, 40},
		{[]string{"everything-except", "prefix:utf8:dir"}, 0, 24},
	} {
		p, err := policy.Parse(c.policy...)
		require.NoError(t, err)
		before := d.reads.Load()
		got, err := keys(Covered(t.Context(), doc, p, nil))
		require.NoError(t, err)
		for _, key := range got {
			require.True(t, p.Covers([]byte(key)))
		}
		require.InDelta(t, c.want, len(got), 1)
		require.LessOrEqual(t, d.reads.Load()-before, c.reads, "%v", c.policy)
	}
}
