package wire

import (
	"bytes"
	"crypto/sha256"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestALargeValueIsSplitIntoPartsThatAreHashed(t *testing.T) {
	for size, want := range map[int]int{PartSize + 1: 2, 2 * PartSize: 2, 2*PartSize + 1: 3} {
		value := large[:size]
		p := Split(value)
		require.Equal(t, size, p.Size)
		require.Equal(t, want, p.Count())
		require.Len(t, p.Hashes, want*HashSize)
		require.Equal(t, List(sha256.Sum256(p.Hashes)), p.List())
		var whole []byte
		for i := range p.Count() {
			from, to := p.Range(i)
			require.True(t, p.Holds(i, value[from:to]))
			whole = append(whole, value[from:to]...)
		}
		require.True(t, bytes.Equal(value, whole))
	}
}

func TestASmallValueIsOnePart(t *testing.T) {
	for _, size := range []int{0, 1, PartSize} {
		p := Split(large[:size])
		require.Equal(t, Parts{}, p)
		require.Equal(t, 1, p.Count())
		require.Equal(t, List{}, p.List())
	}
}

func TestAPartIsItsLengthAndItsHash(t *testing.T) {
	p := Split(large)
	from, to := p.Range(1)
	part := large[from:to]
	other := bytes.Clone(part)
	other[100]++
	require.False(t, p.Holds(1, other))
	require.False(t, p.Holds(1, part[1:]))
	require.True(t, p.Holds(0, part), "which is the same here")
	require.False(t, p.Holds(2, part))
	require.False(t, p.Holds(3, nil))
	require.False(t, p.Holds(-1, nil))
	require.False(t, Parts{}.Holds(0, nil))
	require.False(t, Parts{Size: p.Size}.Holds(0, part), "without hashes")
}
