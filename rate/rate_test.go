package rate

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestARateIsWrittenInBytesOrBitsASecond(t *testing.T) {
	for text, want := range map[string]Rate{
		"10MB/s": 10e6, "10MB": 10e6, "80Mbit/s": 10e6, "80mbit/s": 10e6, "512KiB/s": 512 << 10, "1.5GB/s": 15e8,
		"64kB/s": 64e3, "64KB/s": 64e3, " 1 GiB/s ": 1 << 30, "100B/s": 100, "8bit/s": 1,
		"0": Unlimited, "off": Unlimited, "OFF": Unlimited,
	} {
		got, err := Parse(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
}

func TestWhatIsNotARateSaysWhatIs(t *testing.T) {
	for _, text := range []string{"", "10", "MB/s", "-1MB/s", "10Mb/s", "10mB/s", "1e30GB/s", "NaNMB/s", "10MB/min", "0.1B/s", "10 apples", "InfGB/s"} {
		_, err := Parse(text)
		require.ErrorContains(t, err, "is not a rate: write bytes or bits a second", text)
	}
}

func TestARateIsReadAsItIsPrinted(t *testing.T) {
	for _, r := range []Rate{1, 7, 1000, 1024, 64 << 10, 10 * MB, 1 << 20, 3 * GB, 125_000, 123_457} {
		got, err := Parse(r.String())
		require.NoError(t, err)
		require.Equal(t, r, got, r.String())
	}
	require.Equal(t, "10MB/s", (10 * MB).String())
	require.Equal(t, "512KiB/s", Rate(512<<10).String())
	require.Equal(t, "off", Unlimited.String())
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{"10MB/s", "80Mbit/s", "off", "-", "1e3kB"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := Parse(text)
		if err != nil {
			return
		}
		again, err := Parse(r.String())
		require.NoError(t, err)
		require.Equal(t, r, again)
	})
}

func TestAClassMayHaveARateOfItsOwnForEachPeer(t *testing.T) {
	l := Limits{Peer: 5, Classes: map[string]Class{"friends": {Peer: Unlimited}, "slow": {Peer: 1}, "many": {Total: 9}}}
	require.NoError(t, l.Validate())
	require.Equal(t, Unlimited, l.Of("friends"))
	require.Equal(t, Rate(1), l.Of("slow"))
	require.Equal(t, Rate(5), l.Of("many"))
	require.Equal(t, Rate(5), l.Of(Default))
	require.False(t, l.None())
	require.True(t, Limits{Total: Unlimited, Classes: map[string]Class{"friends": {Peer: Unlimited}}}.None())
}

func TestAWrongLimitIsNamed(t *testing.T) {
	require.ErrorContains(t, Limits{Total: -2}.Validate(), "Total is -2")
	require.ErrorContains(t, Limits{Classes: map[string]Class{"a": {Peer: -7}}}.Validate(), `Classes["a"].Peer is -7`)
	many := make(map[string]Class)
	for i := range MostClasses + 1 {
		many[string(rune('A'+i))] = Class{}
	}
	require.ErrorContains(t, Limits{Classes: many}.Validate(), "Classes: there are 65")
}
