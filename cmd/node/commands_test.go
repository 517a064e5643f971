package main

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
)

// widest is what fits on the terminals that people use.
const widest = 100

// forEachCommand walks all commands and topics of the help but cobra's own.
func forEachCommand(t *testing.T, check func(t *testing.T, cmd *cobra.Command)) {
	t.Helper()
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		if cmd.Name() != "help" {
			t.Run(cmd.CommandPath(), func(t *testing.T) { check(t, cmd) })
		}
		for _, below := range cmd.Commands() {
			walk(below)
		}
	}
	walk(newRoot(newApp(nil, nil, nil)))
}

func TestEveryCommandIsExplained(t *testing.T) {
	forEachCommand(t, func(t *testing.T, cmd *cobra.Command) {
		require.NotEmpty(t, cmd.Short)
		require.NotEmpty(t, cmd.Long)
		require.NotRegexp(t, `\.$`, cmd.Short, "it stands in a list")
		if cmd.Runnable() {
			require.NotEmpty(t, cmd.Example)
		}
	})
}

func TestTheHelpFitsOnATerminal(t *testing.T) {
	forEachCommand(t, func(t *testing.T, cmd *cobra.Command) {
		var help bytes.Buffer
		cmd.SetOut(&help)
		require.NoError(t, cmd.Help())
		for line := range strings.Lines(help.String()) {
			require.LessOrEqual(t, utf8.RuneCountInString(strings.TrimRight(line, "\n")), widest, line)
		}
	})
}

// remark is what stands beside a command of an example.
var remark = regexp.MustCompile(`(\S)  +\S.*$`)

// commandLines are those of souk in the examples of a command.
func commandLines(example string) []string {
	var found []string
	for line := range strings.Lines(regexp.MustCompile(`\s*\\\n\s*`).ReplaceAllString(example, " ")) {
		line = strings.Join(strings.Fields(remark.ReplaceAllString(strings.TrimSpace(line), "$1")), " ")
		for _, part := range regexp.MustCompile(`&&|\||;`).Split(strings.TrimSuffix(line, "&"), -1) {
			part, _, _ = strings.Cut(part, ">")
			if words := strings.Fields(part); len(words) > 0 && words[0] == "souk" {
				found = append(found, strings.Join(words, " "))
			}
		}
	}
	return found
}

func TestTheExamplesAreCommandLines(t *testing.T) {
	forEachCommand(t, func(t *testing.T, cmd *cobra.Command) {
		all := commandLines(cmd.Example)
		if cmd.Runnable() {
			require.NotEmpty(t, all)
		}
		for _, line := range all {
			requireCommandLine(t, line)
		}
		if cmd.HasParent() && cmd.Runnable() {
			require.Contains(t, cmd.Example, cmd.CommandPath(), "an example of another command")
		}
	})
}

// asJSON is a command line for each command that prints JSON and needs no other
// than itself. Those that need a node that runs, or do much, have tests of theirs.
func asJSON(t *testing.T, dir string) map[string][]string {
	const somebody = "12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA"
	return map[string][]string{
		"souk add":           {"add", tree(t)},
		"souk announce":      {"announce", "photos", "--withdraw"},
		"souk block put":     {"block", "put"},
		"souk block stat":    {"block", "stat", helloCID},
		"souk block rm":      {"block", "rm", helloCID},
		"souk car export":    {"car", "export", emptyDir, "-o", filepath.Join(dir, "car")},
		"souk car import":    {"car", "import", filepath.Join(dir, "car")},
		"souk doc import":    {"doc", "import", emptyDir},
		"souk doc ls":        {"doc", "ls", "none"},
		"souk doc missing":   {"doc", "missing", "none"},
		"souk doc policy":    {"doc", "policy", "none"},
		"souk doc cancel":    {"doc", "cancel", "none"},
		"souk doc rm":        {"doc", "rm", "none"},
		"souk doc status":    {"doc", "status", "none"},
		"souk doc sync":      {"doc", "sync", "none"},
		"souk gc":            {"gc"},
		"souk pin add":       {"pin", "add", helloCID},
		"souk pin ls":        {"pin", "ls"},
		"souk pin rm":        {"pin", "rm", helloCID},
		"souk quarantine rm": {"quarantine", "rm", helloCID},
		"souk config show":   {"config", "show"},
		"souk config check":  {"config", "check"},
		"souk config set":    {"config", "set", "log", "info"},
		"souk config unset":  {"config", "unset", "log"},
		"souk health":        {"health"},
		"souk id":            {"id"},
		"souk log ls":        {"log", "ls"},
		"souk log level":     {"log", "level", "info"},
		"souk man":           {"man", filepath.Join(dir, "man")},
		"souk trackers":      {"trackers"},
		"souk trackers sign": {"trackers", "sign", "-o", filepath.Join(dir, "list"), trackerA},
		"souk trackers show": {"trackers", "show", filepath.Join(dir, "list")},
		"souk verify":        {"verify"},
		"souk version":       {"version"},
		"souk ledger":        {"ledger", absentPeer},
		"souk ls":            {"ls", helloCID},
		"souk get":           {"get", helloCID},
		"souk find":          {"find", "photos"},
		"souk connect":       {"connect", trackerA},
		"souk disconnect":    {"disconnect", somebody},
		"souk peers":         {"peers"},
		"souk access check":  {"access", "check", somebody},
		"souk sessions":      {"sessions"},
		"souk stat":          {"stat"},
		"souk wants":         {"wants"},
	}
}

// elsewhere are commands whose JSON the named test reads.
var elsewhere = map[string]string{
	"souk run":   "start, in the harness",
	"souk share": "TestWhatIsSharedIsFetchedElsewhere",
	"souk demo":  "TestTheDemo",

	"souk connect":       "TestPeersAreConnectedListedAndDisconnected",
	"souk disconnect":    "TestPeersAreConnectedListedAndDisconnected",
	"souk peers":         "TestPeersAreConnectedListedAndDisconnected",
	"souk sessions":      "TestAFetchThatHangsIsSeenOnBothSides",
	"souk stat":          "TestStatTellsTotalsAndGoesOn",
	"souk quarantine ls": "TestWhatVerifyHasPutAsideIsListedAndRemoved",

	"souk wants": "TestAFetchThatHangsIsSeenOnBothSides",
}

func TestEveryCommandPrintsJSONOrSaysWhyNot(t *testing.T) {
	dir := t.TempDir()
	lines := asJSON(t, dir)
	forEachCommand(t, func(t *testing.T, cmd *cobra.Command) {
		args, ok := lines[cmd.CommandPath()]
		_, tested := elsewhere[cmd.CommandPath()]
		switch {
		case !cmd.Runnable(), tested, cmd.HasSubCommands() && !ok: // the last prints its help
		case !ok:
			require.Contains(t, cmd.Long, "--json", "add it to asJSON, or say in its help why --json changes nothing")
		default:
			o := command(t, filepath.Join(dir, "repo"), append([]string{"--json"}, args...)...)
			requireJSON(t, o.out+o.err)
		}
	})
}

// requireJSON fails unless there is something, and each line is a value.
func requireJSON(t *testing.T, text string) {
	t.Helper()
	require.NotEmpty(t, text)
	for line := range strings.Lines(text) {
		require.True(t, json.Valid([]byte(line)), line)
	}
}

func TestEveryCommandReportsErrorsAsJSON(t *testing.T) {
	forEachCommand(t, func(t *testing.T, cmd *cobra.Command) {
		if cmd.Runnable() {
			args := append([]string{"--json"}, strings.Fields(cmd.CommandPath())[1:]...)
			o := command(t, t.TempDir(), append(args, "--no-such-flag")...)
			require.Equal(t, exitUsage, o.code)
			requireJSON(t, o.err)
		}
	})
}
