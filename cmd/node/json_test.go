package main

import (
	"encoding"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk"
	"github.com/souk-p2p/souk/cmd/node/internal/config"
	"github.com/souk-p2p/souk/cmd/node/internal/demo"
	"github.com/souk-p2p/souk/cmd/node/internal/logs"
	"github.com/souk-p2p/souk/cmd/node/internal/node"
	"github.com/souk-p2p/souk/cmd/node/internal/repo"
	"github.com/souk-p2p/souk/ledger"
)

// printed is what each command prints with --json, in the order of the page.
var printed = []struct {
	line  string
	value any
}{
	{"souk access check", verdict{}},
	{"souk add", added{}},
	{"souk announce", repo.Announcement{}},
	{"souk announce --list", node.Announced{}},
	{"souk announce --withdraw", withdrawn{}},
	{"souk block put, souk block stat", blockInfo{}},
	{"souk block rm", removedBlock{}},
	{"souk car export", carExported{}},
	{"souk car import", carImported{}},
	{"souk config check", checked{}},
	{"souk config set, souk config unset", edited{}},
	{"souk config show", config.Setting{}},
	{"souk connect, souk disconnect", connected{}},
	{"souk demo", demo.Report{}},
	{"souk demo --stay, after that", demoStays{}},
	{"souk doc cancel, souk doc import, souk doc ls, souk doc policy, souk doc rm", docLine{}},
	{"souk doc ls DOC", docEntry{}},
	{"souk doc missing", docMissing{}},
	{"souk doc status", docStatus{}},
	{"souk doc sync", docSynced{}},
	{"souk find", candidate{}},
	{"souk gc", node.GarbageResult{}},
	{"souk get", got{}},
	{"souk health", healthInfo{}},
	{"souk id", node.Info{}},
	{"souk ledger", ledger.Receipt{}},
	{"souk log level", levelSet{}},
	{"souk log ls", logs.Subsystem{}},
	{"souk ls", entry{}},
	{"souk man", manual{}},
	{"souk peers", souk.PeerStat{}},
	{"souk pin add, souk pin ls, souk pin rm", pinLine{}},
	{"souk pin ls --verify", pinStatus{}},
	{"souk quarantine ls, souk quarantine rm", quarantineLine{}},
	{"souk run", started{}},
	{"souk sessions", souk.SessionStat{}},
	{"souk sessions ID", souk.SessionDetail{}},
	{"souk share", offer{}},
	{"souk stat", node.Stat{}},
	{"souk trackers", node.Tracker{}},
	{"souk trackers show, souk trackers sign", signedList{}},
	{"souk verify", verifyLine{}},
	{"souk version", versionInfo{}},
	{"souk wants", wantLine{}},
	{"Any command with --progress=json, on standard error", progressLine{}},
	{"Any command that fails, on standard error", failure{}},
}

const jsonPage = "../../docs/json.md"

const jsonBegins = `# What programs read

With ` + "`--json`" + ` each command prints one value a line on standard output. Below are the fields of each: fields may be added,
and none is taken away or means something else later. A field with ? is left out when it is empty, x[].y is y in each
element of the list x, and x.* are the values of an object with any names. A link is {"/": "CID"}; a time is as in RFC 3339.
Numbers whose names end in _ns are nanoseconds; bytes are bytes.

`

// What programs read must stay as it is.
func TestThePageOnJSONHasWhatCommandsPrint(t *testing.T) {
	page := jsonBegins
	for _, p := range printed {
		page += "## " + p.line + "\n\n```text\n" + schema(t, p.value) + "```\n\n"
	}
	page = strings.TrimSuffix(page, "\n")
	if *writeDocs {
		require.NoError(t, os.WriteFile(jsonPage, []byte(page), 0o644))
	}
	content, err := os.ReadFile(jsonPage)
	require.NoError(t, err)
	require.Equal(t, page, string(content), "if fields were added, write it with: go test ./cmd/node -run JSON -args -write-docs")
}

func TestThePageOnJSONHasEveryCommand(t *testing.T) {
	var all []string
	for _, p := range printed {
		all = append(all, strings.Split(p.line, ", ")...)
	}
	forEachCommand(t, func(t *testing.T, cmd *cobra.Command) {
		if cmd.Runnable() && !strings.Contains(cmd.Long, "--json") && (!cmd.HasSubCommands() || cmd.Name() == "trackers") {
			require.Contains(t, all, cmd.CommandPath())
		}
	})
}

func TestCommandsPrintTheJSONThatThePageHas(t *testing.T) {
	dir := t.TempDir()
	file, away := filepath.Join(dir, "file.car"), filepath.Join(dir, "away")
	a, b := start(t, filepath.Join(dir, "a"), "--tracker"), start(t, filepath.Join(dir, "b"))
	root := add(t, b.repo, tree(t))
	missing := "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e"
	for _, c := range []struct {
		line string // of the page
		args string
	}{
		{"souk connect, souk disconnect", "connect " + b.address()},
		{"souk get", "get " + root + " -o " + filepath.Join(dir, "out") + " --peer " + b.address()},
		{"souk ls", "ls " + root},
		{"souk add", "add " + filepath.Join(dir, "out")},
		{"souk pin add, souk pin ls, souk pin rm", "pin add --name x " + root},
		{"souk pin add, souk pin ls, souk pin rm", "pin ls"},
		{"souk pin ls --verify", "pin ls --verify"},
		{"souk block put, souk block stat", "block stat " + root},
		{"souk car export", "car export " + root + " -o " + file},
		{"souk car import", "car import " + file},
		{"souk gc", "gc --dry-run"},
		{"souk pin add, souk pin ls, souk pin rm", "pin rm --name x"},
		{"souk block rm", "block rm --force " + root},
		{"souk verify", "verify"},
		{"souk peers", "peers"},
		{"souk ledger", "ledger"},
		{"souk ledger", "ledger " + b.ID.String()},
		{"souk sessions", "sessions"},
		{"souk sessions ID", "sessions 1"},
		{"souk stat", "stat"},
		{"souk log ls", "log ls"},
		{"souk log level", "log level network info"},
		{"souk health", "health"},
		{"souk id", "id"},
		{"souk announce", "announce photos --shards 00-0f --capacity 4 --ttl 10m"},
		{"souk announce --list", "announce --list"},
		{"souk trackers", "trackers"},
		{"souk announce --withdraw", "announce photos --withdraw"},
		{"souk config show", "config show"},
		{"souk config check", "config check"},
		{"souk config set, souk config unset", "config set log info"},
		{"souk config set, souk config unset", "config unset log"},
		{"souk access check", "access check " + b.ID.String()},
		{"souk trackers show, souk trackers sign", "trackers sign -o " + away + " " + b.address()},
		{"souk man", "man " + filepath.Join(dir, "man")},
		{"souk version", "version"},
		{"souk connect, souk disconnect", "disconnect " + b.ID.String()},
		{"Any command that fails, on standard error", "block stat " + missing},
	} {
		o := command(t, a.repo, append([]string{"--json"}, strings.Fields(c.args)...)...)
		text := o.out
		if strings.HasSuffix(c.line, "standard error") {
			text = o.err
		}
		require.NotEmpty(t, text, "%s: %s", c.args, o.err)
		for _, line := range lines(text) {
			requireSchema(t, c.line, line)
		}
	}
}

// requireSchema fails unless a line has all fields that the page has for a command, and no
// others.
func requireSchema(t *testing.T, command, line string) {
	t.Helper()
	at := slices.IndexFunc(printed, func(p struct {
		line  string
		value any
	}) bool {
		return p.line == command
	})
	require.GreaterOrEqual(t, at, 0, command)
	into := reflect.New(reflect.TypeOf(printed[at].value))
	in := json.NewDecoder(strings.NewReader(line))
	in.DisallowUnknownFields()
	require.NoError(t, in.Decode(into.Interface()), "%s: %s", command, line)
	var has map[string]any
	require.NoError(t, json.Unmarshal([]byte(line), &has))
	for _, f := range fieldsOf(into.Type().Elem()) {
		if !f.optional {
			require.Contains(t, has, f.name, "%s: %s", command, line)
		}
	}
}

// schema lists the fields of a type and what they are.
func schema(t *testing.T, value any) string {
	t.Helper()
	var rows [][2]string
	width := 0
	leavesOf(t, reflect.TypeOf(value), "", func(path, kind string) {
		rows = append(rows, [2]string{path, kind})
		width = max(width, len(path))
	})
	var text strings.Builder
	for _, row := range rows {
		fmt.Fprintf(&text, "%-*s  %s\n", width, row[0], row[1])
	}
	return text.String()
}

// leavesOf calls add with each leaf of a type.
func leavesOf(t *testing.T, of reflect.Type, path string, add func(path, kind string)) {
	t.Helper()
	if kind := scalar(t, of); kind != "" {
		add(path, kind)
		return
	}
	switch of.Kind() {
	case reflect.Pointer:
		leavesOf(t, of.Elem(), path, add)
	case reflect.Slice, reflect.Array:
		leavesOf(t, of.Elem(), path+"[]", add)
	case reflect.Map:
		leavesOf(t, of.Elem(), path+".*", add)
	case reflect.Struct:
		for _, f := range fieldsOf(of) {
			name := f.name
			if f.optional {
				name += "?"
			}
			leavesOf(t, f.of, strings.TrimPrefix(path+"."+name, "."), add)
		}
	default:
		require.Fail(t, "no word for this", "%s: %s", path, of)
	}
}

// scalar is the word for what is no list and no object; empty for those.
func scalar(t *testing.T, of reflect.Type) string {
	t.Helper()
	switch of {
	case reflect.TypeFor[time.Time]():
		return "time"
	case reflect.TypeFor[cid.Cid]():
		return "link"
	case reflect.TypeFor[peer.ID]():
		return "string"
	}
	require.False(t, of.Implements(reflect.TypeFor[json.Marshaler]()), "no word for %s", of)
	switch {
	case of.Implements(reflect.TypeFor[encoding.TextMarshaler]()):
		return "string"
	case of.Kind() == reflect.Bool:
		return "boolean"
	case of.Kind() == reflect.String:
		return "string"
	case of.Kind() == reflect.Float64:
		return "number"
	case of.Kind() == reflect.Interface:
		return "any"
	case reflect.Int <= of.Kind() && of.Kind() <= reflect.Uint64:
		return "integer"
	}
	return ""
}

// field is one of an object.
type field struct {
	name     string
	optional bool
	of       reflect.Type
}

func fieldsOf(of reflect.Type) []field {
	var all []field
	for _, f := range reflect.VisibleFields(of) {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if !f.IsExported() || name == "-" || f.Anonymous && name == "" {
			continue
		}
		if name == "" {
			name = f.Name
		}
		all = append(all, field{name, strings.Contains(options, "omit"), f.Type})
	}
	return all
}
