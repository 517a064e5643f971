package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/test/internal/figure"
)

func seconds(name string, n float64) figure.Value {
	return figure.Value{Name: name, Unit: "s", Number: n}
}

func row(suite, scenario, made string, values ...figure.Value) figure.Row {
	return figure.Row{Suite: suite, Scenario: scenario, Make: made, Values: values}
}

// measured are rows of two suites, as they come: a scenario's makes need not come
// together, and not every row has every value.
func measured() []figure.Row {
	count := func(name string, n float64) figure.Value { return figure.Value{Name: name, Number: n} }
	return []figure.Row{
		row("virtual", "chain of 50, far", "bare", seconds("time", 5), seconds("ideal", 5), count("messages", 0)),
		row("virtual", "fan-out to 16, far", "souk", seconds("time", 9), seconds("ideal", 6), figure.Value{Name: "copies", Unit: "x", Number: 1.125}),
		row("virtual", "chain of 50, far", "boxo", seconds("time", 6), seconds("ideal", 5), count("messages", 1460)),
		row("virtual", "chain of 50, far", "souk", seconds("time", 5.01), seconds("ideal", 5), count("messages", 100)),
		row("wall", "idle node", "souk", count("goroutines", 24)),
		row("wall", "bulk, 4 x 256 KiB, TCP Noise", "bare", figure.Value{Name: "throughput", Unit: "MB/s", Number: 812.4}),
		row("wall", "bulk, 4 x 256 KiB, TCP Noise", "souk",
			figure.Value{Name: "throughput", Unit: "MB/s", Number: 700}, figure.Value{Name: "throughput to bare", Unit: "x", Number: 0.87}),
	}
}

func TestMarkdownHasARatioToEachThatWasMeasured(t *testing.T) {
	require.Equal(t, strings.TrimLeft(`
| scenario | make | time, s | / ideal | / bare | / boxo | messages | copies |
|---|---|---:|---:|---:|---:|---:|---:|
| chain of 50, far | bare | 5.00 | 1.00 | - | 0.83 | 0 | - |
|  | boxo | 6.00 | 1.20 | 1.20 | - | 1,460 | - |
|  | souk | 5.01 | 1.00 | 1.00 | 0.83 | 100 | - |
| fan-out to 16, far | souk | 9.00 | 1.50 | - | - | - | 1.12 |
`, "\n"), markdown(measured()[:4]))
}

// Rows that are about another quantity are a table of their own, and a suite that
// compares with bare streams turn by turn knows better.
func TestMarkdownDividesQuantitiesAndTrustsTheSuitesOwnRatios(t *testing.T) {
	require.Equal(t, strings.TrimLeft(`
| scenario | make | goroutines |
|---|---|---:|
| idle node | souk | 24 |

| scenario | make | throughput, MB/s | throughput to bare |
|---|---|---:|---:|
| bulk, 4 x 256 KiB, TCP Noise | bare | 812 | - |
|  | souk | 700 | 0.87 |
`, "\n"), markdown(measured()[4:]))
}

func TestTextHasTheSameCells(t *testing.T) {
	var out strings.Builder
	printText(&out, measured()[4:])
	require.Equal(t, strings.TrimLeft(`
On the wall clock, over the loopback interface:
scenario   make  goroutines
idle node  souk  24

scenario                      make  throughput, MB/s  throughput to bare
bulk, 4 x 256 KiB, TCP Noise  bare  812               -
                              souk  700               0.87

`, "\n"), out.String())
}

func TestSummaryPutsTheMakesSideBySide(t *testing.T) {
	got := summary(measured())
	require.Equal(t, strings.TrimLeft(`
| | bare | boxo | Souk |
|---|---:|---:|---:|
| fan-out to 16, far: time / ideal; copies | - | - | 1.50; 1.12 |
| chain of 50, far: time / ideal | 1.00 | 1.20 | 1.00 |
| bulk, 4 x 256 KiB, TCP Noise: throughput to bare; CPU to bare | - | - | 0.87; - |
`, "\n"), got)
}

func TestOfWhatWasMeasuredTwiceTheLaterCounts(t *testing.T) {
	old, other, again := row("wall", "a", "souk", seconds("time", 1)), row("wall", "b", "souk", seconds("time", 2)), row("wall", "a", "souk", seconds("time", 3))
	require.Equal(t, []figure.Row{again, other}, latest([]figure.Row{old, other, again}))
}

func TestEachSuiteTakesTheFlagsAfterItsName(t *testing.T) {
	o, err := parse([]string{"-runs", "2", "virtual", "-only", "chain", "wall", "-scenarios", "idle"})
	require.NoError(t, err)
	require.Equal(t, 2, o.runs)
	require.Len(t, o.suites, 2)
	require.Equal(t, []string{"-only", "chain"}, o.suites[0].args)
	require.Equal(t, "wall", o.suites[1].name)
	require.Equal(t, []string{"-scenarios", "idle"}, o.suites[1].args)
	o, err = parse([]string{"get", "-transports", "tcp", "tcp", "-only=wall"})
	require.NoError(t, err)
	require.Len(t, o.suites, 2, "a flag's value is no suite")
	require.Equal(t, []string{"-transports", "tcp"}, o.suites[0].args)
	o, err = parse(nil)
	require.NoError(t, err)
	require.Len(t, o.suites, len(suites))
	for _, wrong := range [][]string{{"warp"}, {"-from", "file", "virtual"}, {"-times", "2"}} {
		_, err := parse(wrong)
		require.Error(t, err, wrong)
	}
}

// What was kept can be published without measuring again, and suites that it does
// not hold keep their tables.
func TestKeptFiguresArePublished(t *testing.T) {
	dir := t.TempDir()
	figures, document, readme := filepath.Join(dir, "figures"), filepath.Join(dir, "benchmarks.md"), filepath.Join(dir, "README.md")
	t.Setenv(figure.File, figures)
	for _, r := range measured()[:4] {
		require.NoError(t, figure.Emit(r))
	}
	part := func(name, text string) string {
		return "<!-- " + name + ": written by make bench -->\n" + text + "<!-- end of " + name + " -->\n"
	}
	require.NoError(t, os.WriteFile(document, []byte(part("virtual", "old\n")+part("wall", "as it was\n")), 0o600))
	require.NoError(t, os.WriteFile(readme, []byte(part("bench", "")), 0o600))
	require.NoError(t, run(t.Context(), []string{"-runs", "3", "-from", figures, "-write", document, "-summary", readme}))
	text, err := os.ReadFile(document)
	require.NoError(t, err)
	require.Equal(t, part("virtual", machine(3)+"\n"+markdown(measured()[:4]))+part("wall", "as it was\n"), string(text))
	text, err = os.ReadFile(readme)
	require.NoError(t, err)
	require.Equal(t, part("bench", summary(measured()[:4])), string(text))
}
