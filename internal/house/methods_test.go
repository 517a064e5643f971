package house

import (
	"fmt"
	"go/ast"
	"go/types"
)

// The rule on methods, so that it can be checked.
//
// A face is a type of an actor package with a field, or an embedded one, of a
// type of internal/actor that others may use: Loop, Inbox, Slot or Snapshot. So
// is a type with a field that holds a face, such as a handle for one producer.
//
// The exported methods of a face run in the goroutines of callers. Of the
// receiver they may use
//
//   - fields of these types of internal/actor, and slices of them;
//   - fields whose type cannot be changed in place: no map, no slice of anything
//     else, no type of the state files, nothing of ownersOnly;
//   - of a field that holds a struct of the package: the same, one step on;
//   - other exported methods; unexported ones when they keep this rule too;
//   - a method as the body that Loop.Start is given.
//
// Methods of the table beforeStart may use everything.
//
// All of these are set by constructors alone: by functions whose name begins
// with new or New, and by what is called from nowhere else.
//
// The receiver itself may be returned or put into a value, not passed on.
var methodRule = rule{
	name:  "methods",
	why:   "Callers run in their own goroutines. They send requests or read snapshots; whatever else they touch has two owners.",
	check: checkMethods,
	examples: []example{
		{files: `
-- ledger/state.go --
package ledger

type state struct{ rows map[string]int }

func (s *state) event() {}
-- ledger/requests.go --
package ledger

import (
	"context"

	"github.com/souk-p2p/souk/internal/actor"
)

type request any

func (l *Ledger) Receipt(ctx context.Context, p string) (int, error) {
	return actor.Ask(ctx, l.inbox, func(reply chan<- int) request {
		if l.st.rows[p] > 0 { // FAULT: in a function inside of the method
			return nil
		}
		return l.self
	})
}

func (l *Ledger) Score(p string) int { return l.scores.Get().of[p] }

func (l *Ledger) Rows() int {
	return len(l.st.rows) // FAULT: the state
}

func (l *Ledger) Seen() int {
	return l.count // FAULT: the loop writes it
}

func (l *Ledger) Names() []string {
	return l.names // FAULT: a slice
}

func (l *Ledger) Quick() int { return l.peek() }

func (l *Ledger) Limit() int { return l.cfg.Limit + l.cfg.Most }

func (l *Ledger) Busy() bool { return l.Limit() == l.Score("") }

func (l *Ledger) Reset() {
	l.cancel() // allowed: a function that the constructor sets
	reset(l) // FAULT: passed on
	l.timer.Stop() // FAULT: the owner's
}

func (l *Ledger) Port() *Port {
	l.names = nil // allowed: in the table of what comes before the start
	return &Port{ledger: l}
}

func (l *Ledger) Raw() any { return l.st } // FAULT

func (l *Ledger) unexported() int { return l.count }

func reset(l *Ledger) { l.count = 0 }

type Port struct {
	ledger *Ledger
	slot   *actor.Slot[int]
}

func (p *Port) Record(n int) { p.slot.Publish(n, nil) }

func (p *Port) Cheat() int {
	return p.ledger.count // FAULT: by way of the port
}

type Receipt struct{ Rows map[string]int }

func (r Receipt) Len() int { return len(r.Rows) }
-- ledger/actor.go --
package ledger

import (
	"context"
	"time"

	"github.com/souk-p2p/souk/internal/actor"
)

type Config struct{ Limit, Most int }

type Ledger struct {
	loop   *actor.Loop
	inbox  *actor.Inbox[request]
	scores actor.Snapshot[scores]
	timer  *time.Timer
	cfg    Config
	self   string
	cancel func()
	names  []string
	st     *state
	count  int
}

type scores struct{ of map[string]int }

func New() *Ledger {
	l := &Ledger{}
	l.self = "self"
	l.cfg.Limit = 1
	return l
}

func (l *Ledger) Start() { l.loop.Start(l.run) }

func (l *Ledger) Late() {
	go l.run(nil) // FAULT: at run, a second owner
	f := l.peek // FAULT: a method that is not called here
	f()
}

func (l *Ledger) run(ctx context.Context) {
	l.st.event() // FAULT: reached from Late
	l.count++ // FAULT: reached from Late
}

func (l *Ledger) peek() int {
	return l.count // FAULT: reached from Quick
}
`},
		{files: `
-- session/actor.go --
package session

import "github.com/souk-p2p/souk/internal/actor"

type Session struct {
	*actor.Loop
	wants map[string]int
	stats stats
	board *board
	workers []*actor.Loop
	slots []*actor.Slot[int]
	late  *actor.Slot[int]
	failed int
	ended int
	again int
	told  actor.Snapshot[int]
}

func New() *Session {
	s := &Session{}
	s.build()
	s.onFailure(func() { s.failed = 1; s.fail() })
	go s.end()
	return s
}

func (s *Session) fail() { s.again = 1 }

func (s *Session) end() { s.ended = 1 }

func (s *Session) Failed() int { return s.failed } // FAULT: set later

func (s *Session) Ended() int { return s.ended } // FAULT: set later

func (s *Session) Again() int { return s.again } // FAULT: set later

func (s *Session) build() {
	s.board = &board{limit: 1}
	s.workers = append(s.workers, nil)
	s.told.Set(nil)
}

func (s *Session) Wait() int {
	publish(&s.told)
	return len(s.workers)
}

func (s *Session) Slots() int {
	s.late.Close() // FAULT: replaced by run
	return len(s.slots) // FAULT: grows in run
}

type stats struct{ asked int }

type board struct{ limit, now int }

func (b *board) get() int { return b.limit + b.now } // FAULT: now is set while it runs

func (b *board) set() { b.now = 1 }

func (s *Session) Begin() { s.Start(s.run) }

func (s *Session) Wants() int {
	return len(s.wants) // FAULT
}

func (s *Session) Asked() int { return s.stats.asked } // FAULT: set by run

func (s *Session) Limit() int { return s.board.limit + s.board.get() }

func (s *Session) Board() any { return s.board } // FAULT: can be changed through it

func (s *Session) run() {
	s.stats.asked++
	s.slots = append(s.slots, nil)
	s.late = nil
}
-- network/network.go --
package network

import "github.com/souk-p2p/souk/internal/actor"

type Network struct {
	loop  *actor.Loop
	peers map[string]int
}

func (n *Network) Peers() int { return len(n.peers) }
`},
	},
}

// shared are the types of internal/actor that any goroutine may use.
var shared = map[string]bool{"Loop": true, "Inbox": true, "Slot": true, "Snapshot": true}

// ownersOnly are types of other packages that one goroutine at a time may use,
// however harmless a pointer to them looks.
var ownersOnly = map[string]bool{
	"math/rand.Rand":      true,
	"math/rand/v2.Rand":   true,
	"time.Timer":          true,
	"time.Ticker":         true,
	"bytes.Buffer":        true,
	"strings.Builder":     true,
	"container/list.List": true,
}

// beforeStart are exported methods that run before there is an actor whose
// state they could share, "package.Type.Method", with the reason to believe it.
var beforeStart = map[string]string{
	"ledger.Ledger.Port":  "wires the producers, and panics after Start",
	"ledger.Ledger.Start": "notes for Port that the time for wiring is over, then starts the goroutine",

	"providers/client.Client.Watch": "wires the followers, and panics after Start",
	"providers/client.Client.Start": "notes for Watch that the time for wiring is over, then starts the goroutine",
}

func checkMethods(m *module) []fault {
	var found []fault
	for _, dir := range actors {
		if files := m.packageFiles(dir); len(files) > 0 {
			found = append(found, inspect(m, dir, files).check()...)
		}
	}
	return found
}

// inspection is one actor package with what the rule needs to know of it. Only
// the package itself is resolved: every type of another package is unknown to
// the checker of types and is read from the syntax.
type inspection struct {
	m        *module
	info     *types.Info
	fields   map[*types.Var]*field
	embeds   map[*types.TypeName]bool // types that embed a shared part
	faces    map[*types.TypeName]bool
	states   map[*types.TypeName]bool      // types of the state files
	funcs    map[*types.Func]*ast.FuncDecl // and methods
	visited  map[*ast.FuncDecl]bool
	assigned map[*types.Var]bool // other than by a constructor
	found    []fault
}

// field is a field of a struct of the package.
type field struct {
	foreign string // the named type of another package that it is or points to
	shared  bool   // one of internal/actor that anybody may use
}

func inspect(m *module, dir string, files []*file) *inspection {
	p := &inspection{
		m: m,
		info: &types.Info{
			Defs:       map[*ast.Ident]types.Object{},
			Uses:       map[*ast.Ident]types.Object{},
			Selections: map[*ast.SelectorExpr]*types.Selection{},
		},
		fields:   map[*types.Var]*field{},
		embeds:   map[*types.TypeName]bool{},
		faces:    map[*types.TypeName]bool{},
		states:   map[*types.TypeName]bool{},
		funcs:    map[*types.Func]*ast.FuncDecl{},
		visited:  map[*ast.FuncDecl]bool{},
		assigned: map[*types.Var]bool{},
	}
	p.resolve(dir, files)
	for _, f := range files {
		p.learn(f)
	}
	p.spreadFaces()
	p.learnAssignments()
	return p
}

// check visits the exported methods of faces.
func (p *inspection) check() []fault {
	for fn, decl := range p.funcs {
		if decl.Recv != nil && fn.Exported() && p.faces[receiverType(fn)] && beforeStart[fullName(fn)] == "" {
			p.visit(decl)
		}
	}
	return p.found
}

func (p *inspection) complain(n ast.Node, what string) {
	p.found = append(p.found, p.m.fault(n.Pos(), fmt.Sprintf("callers of the actor come here, and %s: send a request, or read a snapshot that the actor publishes", what)))
}
