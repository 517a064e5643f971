package virtual

import (
	"flag"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/test/sim"
)

// given parses flags.
func given(t *testing.T, args ...string) *Override {
	t.Helper()
	var o Override
	f := flag.NewFlagSet("virtual", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	o.Register(f)
	require.NoError(t, f.Parse(args))
	return &o
}

// titled is a family whose settings differ by their title alone.
var titled = family{title: func(c setting) string { return c.title(sizeOf(int64(c.downloaders))) }}

func titles(o *Override, settings ...setting) []string {
	var all []string
	for _, c := range o.apply(titled, settings) {
		all = append(all, titled.title(c))
	}
	return all
}

func TestSettingsStayAsTheyAreWithoutFlags(t *testing.T) {
	require.Equal(t, []string{"4 B, 16 MiB, 20 Mb/s, 40 ms", "16 B, 16 MiB, 20 Mb/s, 40 ms"},
		titles(given(t), setting{downloaders: 4}.large(16*mib).over(home), setting{downloaders: 16}.large(16*mib).over(home)))
}

func TestSettingsThatBecomeAlikeAreRunOnce(t *testing.T) {
	o := given(t, "-downloaders", "32", "-bandwidth", "50", "-rtt", "80ms")
	require.Equal(t, []string{"32 B, 16 MiB, 50 Mb/s, 80 ms"},
		titles(o, setting{downloaders: 4}.large(16*mib).over(home), setting{downloaders: 16}.large(16*mib).over(home)))
}

func TestEachValueIsRunAndLinksGoInStep(t *testing.T) {
	o := given(t, "-downloaders", "2,3", "-bandwidth", "50,500", "-rtt", "80ms,5ms", "-mib", "0.5")
	require.Equal(t, []string{
		"2 B, 512 KiB, 50 Mb/s, 80 ms", "2 B, 512 KiB, 500 Mb/s, 5 ms",
		"3 B, 512 KiB, 50 Mb/s, 80 ms", "3 B, 512 KiB, 500 Mb/s, 5 ms",
	}, titles(o, setting{downloaders: 4}.large(16*mib).over(home)))
}

// One value is for the links of all seeds, several are for one seed each.
func TestSeedsWithTheirOwnLinksGetTheValuesInTurn(t *testing.T) {
	c := setting{links: []sim.Link{far, home}}.large(mib)
	require.Equal(t, []string{"0 B, 1 MiB, 100/20 Mb/s, 7/7 ms, 2 % lost"}, titles(given(t, "-rtt", "7ms", "-loss", "2"), c))
	three := given(t, "-bandwidth", "1,2,4", "-rtt", "10ms,20ms,30ms").apply(titled, []setting{c})
	require.Equal(t, []sim.Link{link(1, 10*time.Millisecond), link(2, 20*time.Millisecond), link(4, 30*time.Millisecond)}, three[0].links)
}

func TestValuesThatAreNoNumbersAreRefused(t *testing.T) {
	var o Override
	f := flag.NewFlagSet("virtual", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	o.Register(f)
	require.Error(t, f.Parse([]string{"-rtt", "fast"}))
}

// The bare streams' parts are in proportion to the rates, and all of them
// together everything.
func TestBareStreamsDivideTheDataByTheRates(t *testing.T) {
	data := setting{blocks: 16, size: 8}.data()
	parts := divide(data, []sim.Link{{Bandwidth: 100}, {Bandwidth: 50}, {Bandwidth: 10}}, 160)
	require.Equal(t, data[:10], parts[0])
	require.Equal(t, data[10:15], parts[1])
	require.Equal(t, data[15:], parts[2])
}
