package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/cmd/node/internal/config"
)

const (
	configurationPage = "../../docs/configuration.md"
	tableBegins       = "<!-- settings: this table is written by a test -->\n"
	tableEnds         = "<!-- end of settings -->\n"
)

var writeDocs = flag.Bool("write-docs", false, "write the table of settings into docs/configuration.md")

// settingsTable lists what can be set, as Markdown.
func settingsTable() string {
	var table strings.Builder
	table.WriteString("| key | kind | default | while running | what it does |\n|---|---|---|---|---|\n")
	flags := new(runOptions).flagSet()
	flags.VisitAll(func(f *pflag.Flag) {
		changes := "restart"
		if isReloadable(f.Name) {
			changes = "reload"
		}
		if config.IsSecret(f) {
			changes += ", secret"
		}
		fmt.Fprintf(&table, "| `%s` | %s | %s | %s | %s |\n",
			f.Name, kindOf(f), defaultOf(f), changes, strings.ReplaceAll(f.Usage, "|", "\\|"))
	})
	return table.String()
}

// kindOf is a word for what a setting takes.
func kindOf(f *pflag.Flag) string {
	if _, ok := f.Value.(pflag.SliceValue); ok {
		return "list"
	}
	kind := f.Value.Type()
	switch {
	case kind == "bool":
		return "true or false"
	case strings.HasPrefix(kind, "int"), strings.HasPrefix(kind, "uint"), strings.HasPrefix(kind, "float"):
		return "number"
	case kind == "string":
		return "text"
	default:
		return kind
	}
}

func defaultOf(f *pflag.Flag) string {
	switch f.DefValue {
	case "", "[]":
		return ""
	default:
		return "`" + f.DefValue + "`"
	}
}

func TestThePageOnSettingsHasAllOfThem(t *testing.T) {
	content, err := os.ReadFile(configurationPage)
	require.NoError(t, err)
	before, rest, ok := strings.Cut(string(content), tableBegins)
	require.True(t, ok)
	table, after, ok := strings.Cut(rest, tableEnds)
	require.True(t, ok)
	if *writeDocs {
		require.NoError(t, os.WriteFile(configurationPage, []byte(before+tableBegins+settingsTable()+tableEnds+after), 0o644))
		return
	}
	require.Equal(t, settingsTable(), table, "write it with: go test ./cmd/node -run Settings -args -write-docs")
}

func TestThePageOnSettingsHasTheExitCodes(t *testing.T) {
	content, err := os.ReadFile(configurationPage)
	require.NoError(t, err)
	for _, e := range exitCodes {
		require.Contains(t, string(content), fmt.Sprintf("| %d | %s | %s |\n", e.code, e.short, e.long))
	}
}

func TestTheCommandsOnThePageOnSettingsExist(t *testing.T) {
	content, err := os.ReadFile(configurationPage)
	require.NoError(t, err)
	all := commandLines(fenced(string(content)))
	require.NotEmpty(t, all)
	for _, line := range all {
		requireCommandLine(t, line)
	}
}

// requireCommandLine fails unless a line names a command and flags that exist.
func requireCommandLine(t *testing.T, line string) {
	t.Helper()
	named, rest, err := newRoot(newApp(nil, nil, nil)).Find(strings.Fields(line)[1:])
	require.NoError(t, err, line)
	require.NoError(t, named.ParseFlags(rest), line)
	require.NoError(t, named.ValidateArgs(named.Flags().Args()), line)
}

// fenced are the lines of a page that stand in blocks of sh.
func fenced(page string) string {
	var all strings.Builder
	for _, block := range strings.Split(page, "```sh\n")[1:] {
		lines, _, _ := strings.Cut(block, "```")
		all.WriteString(lines)
	}
	return all.String()
}
