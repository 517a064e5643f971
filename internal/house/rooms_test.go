package house

import (
	"fmt"
	"go/ast"
	"slices"
)

// actors are the packages with one goroutine that owns all their state.
var actors = []string{
	"session", "blockrouter", "peerrouter", "wantmanager", "engine", "ledger", "providers",
	"providers/tracker",
	"providers/announcer",
	"providers/client",
	"resolver",
	"resolver/server",
	"download",
	"download/mirror",
	"download/document",
}

func isActor(dir string) bool { return slices.Contains(actors, dir) }

var roomRule = rule{
	name:  "rooms",
	why:   "Whoever has read one actor finds the way in all of them: doc.go says what it owns, requests.go what it can be asked, actor.go is its goroutine, and state.go, or state_*.go, decides.",
	check: checkRooms,
	examples: []example{{
		files: `
-- session/doc.go --
package session
-- session/requests.go --
package session
-- session/actor.go --
package session
-- session/state_wants.go --
package session
-- ledger/doc.go --
package ledger
-- ledger/actor.go --
package ledger
-- ledger/state_test.go --
package ledger
-- network/network.go --
package network
`,
		at: []string{"ledger/requests.go", "ledger/state.go"},
	}},
}

func checkRooms(m *module) []fault {
	var found []fault
	for _, actor := range actors {
		files := m.packageFiles(actor)
		if len(files) == 0 {
			continue // It is on a floor, and each floor's packages exist.
		}
		for _, room := range []string{"doc.go", "requests.go", "actor.go"} {
			if !slices.ContainsFunc(files, func(f *file) bool { return f.name() == room }) {
				found = append(found, fault{actor + "/" + room, 0, "is missing: an actor has doc.go, requests.go, actor.go and state.go"})
			}
		}
		if !slices.ContainsFunc(files, (*file).isState) {
			found = append(found, fault{actor + "/state.go", 0, "is missing: an actor's decisions are in files named state*.go"})
		}
	}
	return found
}

// locks are what makes sharing possible without owning.
var locks = []string{"Mutex", "RWMutex", "Map", "Cond", "Locker"}

var lockRule = rule{
	name:  "locks",
	why:   "One goroutine owns each map and the others see copies or immutable snapshots. A lock or a shared atomic in an actor says that two own the same thing, and synctest does not count a goroutine that waits for a mutex as blocked.",
	check: checkLocks,
	examples: []example{{files: `
-- engine/actor.go --
package engine

import (
	"sync"
	"sync/atomic" // FAULT
)

type Engine struct {
	mu sync.RWMutex // FAULT
	seen sync.Map // FAULT
	once sync.Once
	workers sync.WaitGroup
	sent atomic.Int64
}
-- engine/workers.go --
package engine

import s "sync"

var mu s.Mutex // FAULT: under another name
-- engine/dot.go --
package engine

import . "sync" // FAULT: without a name

var also Mutex
-- engine/actor_test.go --
package engine

import "sync/atomic"

var calls atomic.Int64
-- network/peers.go --
package network

import "sync"

var mu sync.Mutex
`}},
}

func checkLocks(m *module) []fault {
	var found []fault
	for _, f := range m.product() {
		if !isActor(f.dir()) {
			continue
		}
		for _, im := range f.imports() {
			switch {
			case im.path == "sync/atomic":
				found = append(found, m.fault(im.pos, "an actor shares no atomics: publish an actor.Snapshot, or count in the state and let the owner answer"))
			case im.path == "sync" && im.name == ".":
				found = append(found, m.fault(im.pos, "import sync by its name, so that its locks can be seen"))
			}
		}
		found = append(found, m.uses(f, "sync", locks, "an actor has no sync.%s: the goroutine that owns the state changes it, others send requests")...)
	}
	return found
}

// uses finds where a file names one of the given things of a package. What it
// says has a verb for the name.
func (m *module) uses(f *file, importPath string, names []string, says string) []fault {
	return m.names(f, importPath, func(name string) string {
		if !slices.Contains(names, name) {
			return ""
		}
		return fmt.Sprintf(says, name)
	})
}

// names asks about each name of a package that a file mentions and collects
// the answers that are not empty.
func (m *module) names(f *file, importPath string, says func(name string) string) []fault {
	var found []fault
	local := ""
	for _, im := range f.imports() {
		if im.path == importPath {
			local = im.name
		}
	}
	ast.Inspect(f.ast, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if x, ok := sel.X.(*ast.Ident); ok && local != "" && x.Name == local {
			if text := says(sel.Sel.Name); text != "" {
				found = append(found, m.fault(sel.Pos(), text))
			}
		}
		return true
	})
	return found
}
