package fields

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAMessageIsVisitedFieldByField(t *testing.T) {
	inner := AppendUint(AppendBytes(nil, 1, "text"), 2, 7)
	var seen []Field
	visit := func(f Field) error {
		seen = append(seen, f)
		return nil
	}
	require.NoError(t, Each(AppendBytes(nil, 5, inner), func(f Field) error { return f.Message(visit) }))
	require.Len(t, seen, 2)
	text, err := seen[0].Bytes()
	require.NoError(t, err)
	require.Equal(t, []byte("text"), text)
	number, err := seen[1].Uint()
	require.NoError(t, err)
	require.EqualValues(t, 7, number)

	require.ErrorIs(t, Each(AppendUint(nil, 5, 1), func(f Field) error { return f.Message(visit) }), errWireType)
	require.ErrorIs(t, Each(AppendBytes(nil, 5, inner[:3]), func(f Field) error { return f.Message(visit) }), errCut)
	require.Len(t, seen, 2)
}

func TestAnEmptyValueIsNone(t *testing.T) {
	err := Each(AppendPresentBytes(nil, 1, ""), func(f Field) error {
		b, err := f.Bytes()
		require.Nil(t, b)
		return err
	})
	require.NoError(t, err)
}

func TestANumberIsFoundInFrontOfWhatCannotBeRead(t *testing.T) {
	m := AppendUint(AppendBytes(nil, 2, "text"), 1, 7)
	for n, want := range map[int]uint64{len(m): 7, len(m) - 1: 0, 0: 0} {
		require.Equal(t, want, FindUint(append(m[:n:n], 0xff), 1), "behind %d bytes", n)
	}
	require.Zero(t, FindUint(AppendBytes(nil, 1, "text"), 1), "another type")
}
