package house

import (
	"fmt"
	"slices"
	"strings"
)

// floors is the house, ground first: a package imports only from floors below
// its own. A folder stands for all packages in it, which may import each other.
var floors = map[string]int{
	"message":           0,
	"internal/actor":    0,
	"internal/due":      0,
	"internal/fields":   0,
	"internal/frames":   0,
	"internal/heaptest": 0,
	"internal/planted":  0,
	"internal/table":    0,
	"internal/walk":     1,
	"rate":              0,

	"access":           1,
	"internal/carrier": 1,
	"blockstore":       1,
	"ledger":           1,
	"network":          1,

	"peerrouter":  2,
	"blockrouter": 2,
	"wantmanager": 2,
	"engine":      2,
	"providers":   2,

	"probe":   3,
	"session": 3,

	".": 4, // the root package, which embedders import

	"resolver":         5,
	"download":         5,
	"health":           5,
	"adapter/boxo":     5,
	"adapter/dag":      5,
	"adapter/otel":     5,
	"adapter/pebbledb": 5,
	"adapter/unixfs":   5,

	"debug":    6,
	"cmd/node": 6,
}

// embedded is the highest floor that someone who embeds Souk takes in.
const embedded = 4

// besides are the packages outside of the floors. They may import every
// package, and no package that is not a test may import them.
var besides = map[string]string{
	"examples":       "programs that embed Souk",
	"test":           "tests that need more than one package",
	"internal/house": "these rules",
}

// neighbours are the imports on one floor that are meant, with their reasons.
var neighbours = map[[2]string]string{
	{"adapter/unixfs", "adapter/dag"}: "one place knows what a block links to and what a CID carries",
	{"cmd/node", "debug"}:             "the command is what mounts the debug page",
}

var floorRule = rule{
	name:  "floors",
	why:   "With imports in one direction a floor can be read, tested and replaced without those above it, and a cycle of actors that wait for each other does not come about through a type.",
	check: checkFloors,
	examples: []example{{files: `
-- message/a.go --
package message

import "github.com/souk-p2p/souk/session" // FAULT: upward
-- session/a.go --
package session

import (
	_ "github.com/souk-p2p/souk" // FAULT: upward
	_ "github.com/souk-p2p/souk/message"
	_ "github.com/souk-p2p/souk/nowhere" // FAULT: on no floor
	_ "github.com/souk-p2p/souk/test/sim" // FAULT: for tests only
	_ "fmt"
	_ "github.com/ipfs/go-cid"
)
-- session/a_test.go --
package session

import _ "github.com/souk-p2p/souk"
-- engine/a.go --
package engine

import _ "github.com/souk-p2p/souk/wantmanager" // FAULT: on the same floor
-- providers/a.go --
package providers

import _ "github.com/souk-p2p/souk/providers/tracker"
-- cmd/node/main.go --
package main

import _ "github.com/souk-p2p/souk/debug"
-- debug/a.go --
package debug

import _ "github.com/souk-p2p/souk/cmd/node/cli" // FAULT: not the direction that is meant
-- internal/misc/a.go --
package misc // FAULT: on no floor
-- test/sim/a.go --
package sim

import _ "github.com/souk-p2p/souk/cmd/node"
`}},
}

func checkFloors(m *module) []fault {
	var found []fault
	for _, f := range m.product() {
		if _, ok := entry(besides, f.dir()); ok {
			continue
		}
		from, ok := entry(floors, f.dir())
		if !ok {
			found = append(found, m.fault(f.ast.Package, fmt.Sprintf("package %s is on no floor: give it one in internal/house and say in ARCHITECTURE.md what it is for", f.dir())))
			continue
		}
		for _, im := range f.imports() {
			if says := climbs(from, im.path); says != "" {
				found = append(found, m.fault(im.pos, says))
			}
		}
	}
	return found
}

// climbs says what is wrong with an import by a package of the floors, and
// nothing when it is right.
func climbs(from, importPath string) string {
	dir, ok := own(importPath)
	if !ok {
		return ""
	}
	if use, ok := entry(besides, dir); ok {
		return fmt.Sprintf("%s imports %s, which is there for %s", from, dir, besides[use])
	}
	to, ok := entry(floors, dir)
	if !ok {
		return fmt.Sprintf("%s imports %s, which is on no floor", from, dir)
	}
	if from == to || floors[to] < floors[from] {
		return ""
	}
	if _, meant := neighbours[[2]string{from, to}]; meant {
		return ""
	}
	return fmt.Sprintf("%s (floor %d) imports %s (floor %d): declare the few methods that it needs as an interface and let the root package hand it over", from, floors[from], to, floors[to])
}

// entry finds the line of a table that a folder belongs to: its own or that of
// the nearest folder above it. The root's line is for the root alone.
func entry[V any](table map[string]V, dir string) (string, bool) {
	for {
		if _, ok := table[dir]; ok {
			return dir, true
		}
		cut := strings.LastIndexByte(dir, '/')
		if cut < 0 {
			return "", false
		}
		dir = dir[:cut]
	}
}

var folderRule = rule{
	name:  "folders",
	why:   "The folders at the top are the table of contents. One that is not in ARCHITECTURE.md's map is where things go to be forgotten.",
	check: checkFolders,
	examples: []example{{
		files: `
-- .ci/run --
#!/bin/sh
-- session/doc.go --
package session
-- bin/souk --
built
-- pkg/session/doc.go --
package session
-- docs/a.md --
text
-- notes/a.md --
text
`,
		at: []string{"notes", "pkg"},
	}},
}

func checkFolders(m *module) []fault {
	known := []string{".ci", "dist", "docs"}
	for dir := range floors {
		known = append(known, top(dir))
	}
	for dir := range besides {
		known = append(known, top(dir))
	}
	var found []fault
	for _, folder := range m.folders {
		if !slices.Contains(known, folder) {
			found = append(found, fault{folder, 0, "is not a folder of the house: see the floors in internal/house"})
		}
	}
	return found
}

func top(dir string) string {
	first, _, _ := strings.Cut(dir, "/")
	return first
}
