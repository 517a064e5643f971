package house

import (
	"go/ast"
	"slices"
)

// ending are the methods that end the goroutine that calls them, as everything in package
// require does.
var ending = []string{"Fatal", "Fatalf", "FailNow", "Skip", "Skipf", "SkipNow"}

// starting are the functions that run what they are given in another goroutine, or may:
// of a sync.WaitGroup and its like, of package time, of package require.
var starting = []string{"Go", "AfterFunc", "Eventually", "Never"}

var assertionRule = rule{
	name:  "assertions",
	why:   "What ends a test ends the goroutine that it is called in. In another one than the test's, or with a lock held, the others wait for what that would have done until the time of the whole package is over, and nothing says why. Package assert goes on, and test/eventually waits in the goroutine of the test.",
	check: checkAssertions,
	examples: []example{{files: `
-- session/actor_test.go --
package session

import (
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestIt(t *testing.T) {
	go func() {
		require.NoError(t, err) // FAULT
		assert.NoError(t, err)
		for range 2 {
			t.Fatalf("no") // FAULT
		}
	}()
	calls.Go(func() { require.NoError(t, err) }) // FAULT
	calls.Go(func() {
		t.Run("of its own", func(t *testing.T) { require.NoError(t, err) })
	})
	require.Eventually(t, func() bool {
		require.NoError(t, err) // FAULT
		return true
	}, patience, tick)
	eventually.True(t, func() bool { require.NoError(t, err); return true })
	go serve(t)
	require.NoError(t, err)
}

func (f *fake) Get() {
	f.mu.Lock()
	require.True(f.t, f.open) // FAULT
	f.mu.Unlock()
	require.True(f.t, f.open)
	f.mu.RLock()
	defer f.mu.RUnlock()
	require.True(f.t, f.open)
}

func (f *fake) Put() {
	f.mu.Lock()
	f.later = func() { require.True(f.t, f.open) }
	if !f.open {
		f.t.FailNow() // FAULT
	}
	f.mu.Unlock()
}
`}},
}

func checkAssertions(m *module) []fault {
	var found []fault
	for _, f := range m.sources() {
		ast.Inspect(f.ast, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt:
				found = append(found, m.endings(n.Call.Fun)...)
			case *ast.CallExpr:
				if fn, ok := n.Fun.(*ast.SelectorExpr); ok && slices.Contains(starting, fn.Sel.Name) {
					found = append(found, m.endings(n.Args...)...)
				}
			case *ast.BlockStmt:
				found = append(found, m.lockedEndings(n)...)
			}
			return true
		})
	}
	return found
}

// endings finds what ends the goroutine in functions that are written out among these.
func (m *module) endings(all ...ast.Expr) []fault {
	var found []fault
	for _, e := range all {
		lit, ok := e.(*ast.FuncLit)
		if !ok {
			continue
		}
		within(lit.Body, func(call *ast.CallExpr, _ bool) {
			if endsGoroutine(call) {
				found = append(found, m.fault(call.Pos(), "ends another goroutine than the test's: take package assert, or wait with test/eventually"))
			}
		})
	}
	return found
}

// lockedEndings finds what ends the goroutine between a lock that is taken in a block and
// its release, unless the release is deferred.
func (m *module) lockedEndings(block *ast.BlockStmt) []fault {
	var found []fault
	locked := false
	within(block, func(call *ast.CallExpr, deferred bool) {
		fn, ok := call.Fun.(*ast.SelectorExpr)
		switch {
		case !ok:
		case fn.Sel.Name == "Lock", fn.Sel.Name == "RLock":
			locked = !deferred
		case fn.Sel.Name == "Unlock", fn.Sel.Name == "RUnlock":
			locked = false
		case locked && endsGoroutine(call):
			found = append(found, m.fault(call.Pos(), "ends the goroutine while it holds a lock: release it before, or with defer"))
		}
	})
	return found
}

// within tells of each call in a block, in the order in which they are written, that is not in a
// function of its own there, and whether it is deferred.
func within(block *ast.BlockStmt, tell func(call *ast.CallExpr, deferred bool)) {
	ast.Inspect(block, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncLit:
			return false
		case *ast.DeferStmt:
			tell(n.Call, true)
			return false
		case *ast.CallExpr:
			tell(n, false)
		}
		return true
	})
}

func endsGoroutine(call *ast.CallExpr) bool {
	fn, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	if of, ok := fn.X.(*ast.Ident); ok && of.Name == "require" {
		return true
	}
	return slices.Contains(ending, fn.Sel.Name)
}
