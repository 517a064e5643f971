package house

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

// rule is something that holds for the whole repository.
type rule struct {
	name     string
	why      string
	check    func(*module) []fault
	examples []example
}

// example is a small repository in which a rule is broken where the text says
// FAULT, and at the further places, and nowhere else.
type example struct {
	files string   // each after a line "-- path --"
	at    []string // files and folders that are at fault as a whole
}

var rules = []rule{
	folderRule,
	floorRule,
	importRule,
	roomRule,
	lockRule,
	stateRule,
	methodRule,
	assertionRule,
	sizeRule,
	wordRule,
	readmeRule,
}

func TestTheHouseIsInOrder(t *testing.T) {
	m, err := load(os.DirFS("../.."))
	require.NoError(t, err)
	require.NotEmpty(t, m.product(), "the repository was not found")
	for _, f := range m.broken {
		t.Error(f)
	}
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) {
			found := r.faults(m)
			for _, f := range found {
				t.Error(f)
			}
			if len(found) > 0 {
				t.Logf("why: %s", r.why)
			}
		})
	}
}

func TestEveryRuleFindsWhatBreaksIt(t *testing.T) {
	for _, r := range rules {
		require.NotEmpty(t, r.examples, "%s: a rule that nothing was seen to break proves nothing", r.name)
		for i, e := range r.examples {
			t.Run(fmt.Sprintf("%s/%d", r.name, i), func(t *testing.T) {
				m := e.module(t)
				var found []string
				for _, f := range r.faults(m) {
					found = append(found, f.place())
				}
				slices.Sort(found)
				require.Equal(t, e.places(), slices.Compact(found))
			})
		}
	}
}

func TestAFileThatDoesNotParseIsReported(t *testing.T) {
	m, err := load(fstest.MapFS{"session/actor.go": {Data: []byte("package session\nfunc {")}})
	require.NoError(t, err)
	require.Len(t, m.broken, 1)
	require.Equal(t, "session/actor.go", m.broken[0].file)
}

func TestTheTablesNameWhatExists(t *testing.T) {
	m, err := load(os.DirFS("../.."))
	require.NoError(t, err)
	for dir := range floors {
		require.True(t, slices.ContainsFunc(m.product(), func(f *file) bool {
			at, ok := entry(floors, f.dir())
			return ok && at == dir
		}), "%s has a floor and no files", dir)
	}
	for _, dir := range actors {
		_, onFloor := entry(floors, dir)
		require.True(t, onFloor, "%s is an actor on no floor", dir)
		require.NotEmpty(t, m.packageFiles(dir), "%s is an actor without files", dir)
	}
	methods := map[string]bool{}
	for _, dir := range actors {
		for fn, decl := range inspect(m, dir, m.packageFiles(dir)).funcs {
			if decl.Recv != nil {
				methods[fullName(fn)] = true
			}
		}
	}
	for name := range beforeStart {
		require.True(t, methods[name], "%s is excepted from the rule on methods and does not exist", name)
	}
}

// faults gives what the check finds, each once, in the order of the files.
func (r rule) faults(m *module) []fault {
	found := r.check(m)
	slices.SortFunc(found, func(a, b fault) int {
		return cmp.Or(cmp.Compare(a.file, b.file), cmp.Compare(a.line, b.line), cmp.Compare(a.says, b.says))
	})
	return slices.Compact(found)
}

func (f fault) String() string { return f.place() + ": " + f.says }

func (f fault) place() string {
	if f.line == 0 {
		return f.file
	}
	return fmt.Sprintf("%s:%d", f.file, f.line)
}

// split gives the example's files by path.
func (e example) split() map[string]string {
	files := map[string]string{}
	for _, part := range strings.Split("\n"+e.files, "\n-- ")[1:] {
		name, text, _ := strings.Cut(part, " --\n")
		files[name] = text + "\n"
	}
	return files
}

func (e example) module(t *testing.T) *module {
	tree := fstest.MapFS{}
	for name, text := range e.split() {
		tree[name] = &fstest.MapFile{Data: []byte(text)}
	}
	m, err := load(tree)
	require.NoError(t, err)
	require.Empty(t, m.broken, "the example itself is wrong")
	return m
}

// places is where the example expects to be found out.
func (e example) places() []string {
	places := slices.Clone(e.at)
	for name, text := range e.split() {
		for i, line := range strings.Split(text, "\n") {
			if strings.Contains(line, "FAULT") {
				places = append(places, fault{file: name, line: i + 1}.place())
			}
		}
	}
	slices.Sort(places)
	return places
}
