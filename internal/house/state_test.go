package house

import (
	"fmt"
	"go/ast"
	"go/token"
	"slices"
	"strings"
)

// impure are the imports, by prefix, that an actor's decisions do without, with
// what takes their place.
var impure = map[string]string{
	"context":                      "a deadline is a time in the state",
	"sync":                         "one goroutine owns the state",
	"crypto/rand":                  "the seed comes in from outside",
	"hash/maphash":                 "its seed differs in every process; take a seeded hash",
	"os":                           "I/O is the shell's",
	"net":                          "I/O is the shell's",
	"io":                           "I/O is the shell's",
	"log":                          "return an effect and let the shell log it",
	"runtime":                      "a decision does not depend on the scheduler",
	"testing":                      "it is for tests",
	"go.uber.org/zap":              "return an effect and let the shell log it",
	"github.com/ipfs/go-datastore": "storage is the shell's",
	"github.com/prometheus":        "count in the state and let the shell publish",
	modulePath + "/blockstore":     "storage is the shell's",
	modulePath + "/internal/actor": "its parts are made of channels and are the shell's",
}

// plain are the parts of go-libp2p that are values without behaviour: all that
// an actor's decisions may know of it.
var plain = []string{
	"github.com/libp2p/go-libp2p/core/peer",
	"github.com/libp2p/go-libp2p/core/protocol",
}

// values are packages inside of those that are values without behaviour.
var values = []string{"net/netip"}

// clocks are the names in package time that ask for the time or wait for it.
var clocks = []string{
	"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick",
	"NewTimer", "NewTicker", "Timer", "Ticker",
}

var stateRule = rule{
	name:  "state",
	why:   "Decisions that depend on nothing but the event and the time given can be tested without goroutines, and many of them run together in one simulation that a seed replays.",
	check: checkState,
	examples: []example{
		{files: `
-- ledger/state.go --
package ledger

import (
	"context" // FAULT
	"math/rand/v2"
	"sync" // FAULT
	"sync/atomic" // FAULT
	"time"

	"github.com/libp2p/go-libp2p/core/network" // FAULT
	"github.com/libp2p/go-libp2p/core/peer"
	"go.uber.org/zap" // FAULT
	"github.com/souk-p2p/souk/internal/actor" // FAULT
)

type state struct {
	rng *rand.Rand
	at time.Time
	news chan int // FAULT
	who peer.ID
}

func (s *state) event(now time.Time) time.Duration {
	if rand.IntN(2) == 0 { // FAULT: random for everyone
		return time.Since(s.at) // FAULT
	}
	s.rng = rand.New(rand.NewPCG(1, 2))
	return time.Now().Sub(now) // FAULT
}
-- ledger/state_peers.go --
package ledger

func (s *state) peers() {
	go s.peers() // FAULT
	s.news <- 1 // FAULT
	<-s.news // FAULT
	select {} // FAULT
	close(s.news) // FAULT
}
-- ledger/state_clock.go --
package ledger

import . "time" // FAULT: without a name

var at = Now()
-- ledger/state_test.go --
package ledger

import "time"

var began = time.Now()
-- ledger/actor.go --
package ledger

import (
	"context"
	"time"
)

func run(ctx context.Context) time.Time { return time.Now() }
-- wantmanager/state.go --
package wantmanager

func near(a, b int) bool {
	close := func(x, y int) bool { return x < 2*y }
	return close(a, b) && close(b, a)
}
-- providers/tracker/state_rows.go --
package tracker

import (
	"net" // FAULT
	"net/netip"
)

var _ net.IP
var _ netip.Addr
-- network/state.go --
package network

import "sync"

var mu sync.Mutex
`},
		{files: `
-- session/state.go --
package session

import clock "time"

func until(at clock.Time) clock.Duration {
	return clock.Until(at) // FAULT: under another name
}
`},
	},
}

func checkState(m *module) []fault {
	var found []fault
	for _, f := range m.product() {
		if !f.isState() {
			continue
		}
		found = append(found, m.impureImports(f)...)
		found = append(found, m.uses(f, "time", clocks, "the state does not ask time.%s: the time is an argument, and when to wake is a result")...)
		found = append(found, m.chance(f)...)
		found = append(found, m.concurrency(f)...)
	}
	return found
}

func (m *module) impureImports(f *file) []fault {
	var found []fault
	for _, im := range f.imports() {
		if at, ok := entry(impure, im.path); ok && !slices.Contains(values, im.path) {
			found = append(found, m.fault(im.pos, fmt.Sprintf("the state does not import %s: %s", im.path, impure[at])))
		}
		if strings.HasPrefix(im.path, "github.com/libp2p/") && !slices.Contains(plain, im.path) {
			found = append(found, m.fault(im.pos, fmt.Sprintf("the state does not import %s: it knows peers by their peer.ID alone", im.path)))
		}
		if im.name == "." {
			found = append(found, m.fault(im.pos, "import it by its name, so that clocks and chance can be seen"))
		}
	}
	return found
}

// chance finds the functions of math/rand that draw from the source that the
// whole process shares. Generators made from a seed are right.
func (m *module) chance(f *file) []fault {
	ask := func(name string) string {
		if strings.HasPrefix(name, "New") || slices.Contains([]string{"Rand", "Source", "PCG", "ChaCha8", "Zipf"}, name) {
			return ""
		}
		return fmt.Sprintf("the state does not draw from rand.%s, which a seed does not replay: use a generator that came in from outside", name)
	}
	return append(m.names(f, "math/rand/v2", ask), m.names(f, "math/rand", ask)...)
}

// concurrency finds goroutines and channels.
func (m *module) concurrency(f *file) []fault {
	var found []fault
	ast.Inspect(f.ast, func(n ast.Node) bool {
		if what := concurrent(n); what != "" && (what != closing || !declares(f, "close")) {
			found = append(found, m.fault(n.Pos(), "the state has no "+what+": it returns effects that the shell performs"))
		}
		return true
	})
	return found
}

const closing = "close of a channel"

// declares tells whether the file gives a meaning of its own to a name.
func declares(f *file, name string) bool {
	found := false
	note := func(e ast.Expr) {
		id, ok := e.(*ast.Ident)
		found = found || ok && id.Name == name
	}
	ast.Inspect(f.ast, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			note(n.Name)
		case *ast.AssignStmt:
			for _, target := range n.Lhs {
				note(target)
			}
		}
		return !found
	})
	return found
}

func concurrent(n ast.Node) string {
	switch n := n.(type) {
	case *ast.GoStmt:
		return "goroutine"
	case *ast.SendStmt:
		return "send"
	case *ast.SelectStmt:
		return "select"
	case *ast.ChanType:
		return "channel"
	case *ast.UnaryExpr:
		if n.Op == token.ARROW {
			return "receive"
		}
	case *ast.CallExpr:
		if called, ok := n.Fun.(*ast.Ident); ok && called.Name == "close" {
			return closing
		}
	}
	return ""
}
