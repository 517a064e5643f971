package house

import (
	"go/ast"
	"go/types"
)

// visit looks at every use of the receiver in a method that callers run.
func (p *inspection) visit(fn *ast.FuncDecl) {
	if p.visited[fn] {
		return
	}
	p.visited[fn] = true
	names := fn.Recv.List[0].Names
	if len(names) == 0 {
		return // It cannot use what it does not name.
	}
	receiver := p.info.Defs[names[0]]
	var around []ast.Node
	ast.Inspect(fn.Body, func(n ast.Node) bool {
		if n == nil {
			around = around[:len(around)-1]
			return true
		}
		if id, ok := n.(*ast.Ident); ok && receiver != nil && p.info.Uses[id] == receiver {
			p.use(id, around)
		}
		around = append(around, n)
		return true
	})
}

// use judges one mention of the receiver, given the nodes around it with the
// nearest last.
func (p *inspection) use(id *ast.Ident, around []ast.Node) {
	var holder ast.Expr = id // the struct whose field is named next
	for {
		parent, rest := innermost(around)
		sel, ok := parent.(*ast.SelectorExpr)
		if !ok || sel.X != holder {
			p.bare(holder, parent)
			return
		}
		v := p.fieldOf(sel)
		if v == nil {
			p.method(sel, rest)
			return
		}
		if !p.harmless(sel, v) || p.inside(v) == nil {
			return
		}
		holder, around = sel, rest
	}
}

func innermost(around []ast.Node) (ast.Node, []ast.Node) {
	for len(around) > 0 {
		last := around[len(around)-1]
		around = around[:len(around)-1]
		if _, ok := last.(*ast.ParenExpr); !ok {
			return last, around
		}
	}
	return nil, nil
}

// harmless tells whether callers may read the field, and complains if not.
func (p *inspection) harmless(sel *ast.SelectorExpr, v *types.Var) bool {
	known := p.fields[v]
	if known == nil {
		return true // An embedded part is judged where its methods are named.
	}
	what := ""
	switch {
	case p.states[localType(v.Type())]:
		what = " belongs to the actor's goroutine"
	case ownersOnly[known.foreign]:
		what = " is for its owner's goroutine alone"
	case !known.shared && changeable(v.Type()):
		what = " can change while it is read"
	case p.assigned[v]:
		what = " is set after the actor was made"
	default:
		return true
	}
	p.complain(sel, v.Name()+what)
	return false
}

func changeable(t types.Type) bool {
	switch t.Underlying().(type) {
	case *types.Map, *types.Slice:
		return true
	}
	return false
}

// inside is the struct of this package that a field is or points to, nil when
// there is nothing further to judge.
func (p *inspection) inside(v *types.Var) *types.Struct {
	name := localType(v.Type())
	if name == nil {
		return nil
	}
	s, _ := name.Type().Underlying().(*types.Struct)
	return s
}

// bare judges a struct of the package that is used as a whole.
func (p *inspection) bare(holder ast.Expr, parent ast.Node) {
	_, isReceiver := holder.(*ast.Ident)
	switch parent.(type) {
	case *ast.BinaryExpr: // compared
		return
	case *ast.CompositeLit, *ast.KeyValueExpr, *ast.ReturnStmt:
		if isReceiver || p.isFace(holder) {
			return // a handle
		}
	}
	if sel, ok := holder.(*ast.SelectorExpr); ok && !p.isPointer(sel) {
		return // a copy of what only the constructor sets
	}
	p.complain(holder, "what is behind it is passed on as a whole")
}

func (p *inspection) isFace(e ast.Expr) bool {
	sel, ok := e.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	v := p.fieldOf(sel)
	return v != nil && p.faces[localType(v.Type())]
}

func (p *inspection) isPointer(sel *ast.SelectorExpr) bool {
	v := p.fieldOf(sel)
	if v == nil {
		return false
	}
	_, ok := v.Type().Underlying().(*types.Pointer)
	return ok
}

// method judges a selector that is not a field: a method that is called, one
// that is the body of the loop, or a name that an embedded part promotes.
func (p *inspection) method(sel *ast.SelectorExpr, around []ast.Node) {
	s := p.info.Selections[sel]
	if s == nil {
		return // Only an embedded type of another package can have it.
	}
	parent, rest := innermost(around)
	call, _ := parent.(*ast.CallExpr)
	fn, _ := s.Obj().(*types.Func)
	switch {
	case fn == nil || call == nil:
		p.complain(sel, "a method leaves as a value")
	case call.Fun == sel:
		p.follow(fn, sel, rest)
	case !p.startsLoop(call):
		p.complain(sel, "a method leaves as a value")
	}
}

// follow goes into a method that is called. The exported ones of faces are
// visited in any case.
func (p *inspection) follow(fn *types.Func, sel *ast.SelectorExpr, around []ast.Node) {
	if parent, _ := innermost(around); isGo(parent) {
		p.complain(sel, "it starts a second goroutine on the actor")
	}
	if decl := p.funcs[fn.Origin()]; decl != nil {
		p.visit(decl)
	}
}

func isGo(n ast.Node) bool {
	_, ok := n.(*ast.GoStmt)
	return ok
}

// startsLoop tells a call of the Start of a loop, held or embedded.
func (p *inspection) startsLoop(call *ast.CallExpr) bool {
	start, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || start.Sel.Name != "Start" {
		return false
	}
	held, ok := start.X.(*ast.SelectorExpr)
	if !ok {
		return p.info.Selections[start] == nil // promoted by an embedded loop
	}
	v := p.fieldOf(held)
	return v != nil && p.fields[v] != nil && p.fields[v].shared
}
