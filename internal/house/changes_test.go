package house

import (
	"go/ast"
	"go/token"
	"go/types"
	"slices"
	"strings"
)

// learnAssignments notes the fields that change after the actor was made.
func (p *inspection) learnAssignments() {
	making := p.constructors()
	for fn, decl := range p.funcs {
		if !making[fn] {
			p.learnBody(decl.Body)
			continue
		}
		ast.Inspect(decl.Body, func(n ast.Node) bool {
			if later, ok := n.(*ast.FuncLit); ok {
				p.learnBody(later.Body)
			}
			return true
		})
	}
}

// learnBody notes the fields that a function changes: all those on the way to
// what it assigns to, counts up, or takes the address of.
func (p *inspection) learnBody(body *ast.BlockStmt) {
	ast.Inspect(body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			for _, target := range n.Lhs {
				p.changed(target)
			}
		case *ast.IncDecStmt:
			p.changed(n.X)
		case *ast.RangeStmt:
			p.changed(n.Key)
			p.changed(n.Value)
		case *ast.UnaryExpr:
			if n.Op == token.AND && !p.isShared(n.X) {
				p.changed(n.X)
			}
		}
		return true
	})
}

// isShared tells an expression that is a part for all goroutines: its address
// may be handed on.
func (p *inspection) isShared(e ast.Expr) bool {
	sel, ok := e.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	known := p.fields[p.fieldOf(sel)]
	return known != nil && known.shared
}

// constructors gives the functions that run only while the actor is made: those
// called new or New and those that are called by them alone, and at once.
func (p *inspection) constructors() map[*types.Func]bool {
	callers, later := p.mentions()
	making := map[*types.Func]bool{}
	for fn, decl := range p.funcs {
		making[fn] = decl.Recv == nil && isNew(fn.Name())
	}
	for changed := true; changed; {
		changed = false
		for fn := range p.funcs {
			if making[fn] || fn.Exported() || later[fn] || len(callers[fn]) == 0 {
				continue
			}
			if !slices.ContainsFunc(callers[fn], func(c *types.Func) bool { return !making[c] }) {
				making[fn], changed = true, true
			}
		}
	}
	return making
}

func isNew(name string) bool {
	return strings.HasPrefix(name, "New") || strings.HasPrefix(name, "new")
}

// mentions gives the callers of each function, and the functions that may run
// after their caller: those taken as values, and those called by a go statement
// or in a function literal.
func (p *inspection) mentions() (callers map[*types.Func][]*types.Func, later map[*types.Func]bool) {
	callers, later = map[*types.Func][]*types.Func{}, map[*types.Func]bool{}
	for caller, decl := range p.funcs {
		now := calledAtOnce(decl.Body)
		ast.Inspect(decl.Body, func(n ast.Node) bool {
			id, _ := n.(*ast.Ident)
			fn, ok := p.info.Uses[id].(*types.Func)
			switch {
			case !ok:
			case now[id]:
				callers[fn.Origin()] = append(callers[fn.Origin()], caller)
			default:
				later[fn.Origin()] = true
			}
			return true
		})
	}
	return callers, later
}

// calledAtOnce gives the names of what a function calls before it returns.
func calledAtOnce(body *ast.BlockStmt) map[*ast.Ident]bool {
	now := map[*ast.Ident]bool{}
	ast.Inspect(body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncLit, *ast.GoStmt:
			return false
		case *ast.CallExpr:
			now[lastName(n.Fun)] = true
		}
		return true
	})
	return now
}

// lastName is the identifier that names what is called.
func lastName(e ast.Expr) *ast.Ident {
	switch e := e.(type) {
	case *ast.Ident:
		return e
	case *ast.SelectorExpr:
		return e.Sel
	case *ast.IndexExpr:
		return lastName(e.X)
	case *ast.IndexListExpr:
		return lastName(e.X)
	case *ast.ParenExpr:
		return lastName(e.X)
	}
	return nil
}

func (p *inspection) changed(target ast.Expr) {
	for target != nil {
		switch e := target.(type) {
		case *ast.SelectorExpr:
			if v := p.fieldOf(e); v != nil {
				p.assigned[v] = true
			}
			target = e.X
		case *ast.IndexExpr:
			target = e.X
		case *ast.ParenExpr:
			target = e.X
		case *ast.StarExpr:
			target = e.X
		default:
			return
		}
	}
}
