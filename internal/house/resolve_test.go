package house

import (
	"go/ast"
	"go/types"
	"path"
	"strings"
)

// strangers stands in for every other package: with nothing in it.
type strangers struct{}

func (strangers) Import(importPath string) (*types.Package, error) {
	p := types.NewPackage(importPath, path.Base(importPath))
	p.MarkComplete()
	return p, nil
}

// resolve finds what each name of the package stands for. That names of other
// packages stay unknown is no error here.
func (p *inspection) resolve(dir string, files []*file) {
	var parsed []*ast.File
	for _, f := range files {
		parsed = append(parsed, f.ast)
	}
	config := types.Config{Importer: strangers{}, Error: func(error) {}}
	_, _ = config.Check(dir, p.m.fset, parsed, p.info)
}

// learn notes the structs and functions of a file.
func (p *inspection) learn(f *file) {
	paths := map[string]string{}
	for _, im := range f.imports() {
		paths[im.name] = im.path
	}
	ast.Inspect(f.ast, func(n ast.Node) bool {
		if spec, ok := n.(*ast.TypeSpec); ok {
			p.learnType(f, spec, paths)
		}
		return true
	})
	for _, d := range f.ast.Decls {
		decl, ok := d.(*ast.FuncDecl)
		if !ok || decl.Body == nil {
			continue
		}
		fn, ok := p.info.Defs[decl.Name].(*types.Func)
		if ok && (decl.Recv == nil || receiverType(fn) != nil) {
			p.funcs[fn] = decl
		}
	}
}

func (p *inspection) learnType(f *file, spec *ast.TypeSpec, paths map[string]string) {
	name, ok := p.info.Defs[spec.Name].(*types.TypeName)
	if !ok {
		return
	}
	if f.isState() {
		p.states[name] = true
	}
	structure, ok := spec.Type.(*ast.StructType)
	if !ok {
		return
	}
	for _, declared := range structure.Fields.List {
		known := &field{foreign: foreignType(declared.Type, paths)}
		part, ofActor := strings.CutPrefix(known.foreign, modulePath+"/internal/actor.")
		known.shared = ofActor && shared[part]
		if known.shared {
			p.faces[name] = true
			p.embeds[name] = p.embeds[name] || len(declared.Names) == 0
		}
		for _, id := range declared.Names {
			if v, ok := p.info.Defs[id].(*types.Var); ok {
				p.fields[v] = known
			}
		}
	}
}

// foreignType names the type of another package that an expression is, points
// to, or is a slice of, without its type arguments: "path.Name".
func foreignType(e ast.Expr, paths map[string]string) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return foreignType(e.X, paths)
	case *ast.ParenExpr:
		return foreignType(e.X, paths)
	case *ast.IndexExpr:
		return foreignType(e.X, paths)
	case *ast.IndexListExpr:
		return foreignType(e.X, paths)
	case *ast.ArrayType:
		return foreignType(e.Elt, paths)
	case *ast.SelectorExpr:
		if x, ok := e.X.(*ast.Ident); ok && paths[x.Name] != "" {
			return paths[x.Name] + "." + e.Sel.Name
		}
	}
	return ""
}

// spreadFaces makes faces of the types that hold one.
func (p *inspection) spreadFaces() {
	for changed := true; changed; {
		changed = false
		for name := range p.structs() {
			if !p.faces[name] && p.holdsFace(name) {
				p.faces[name], changed = true, true
			}
		}
	}
}

// structs gives the struct types that the package declares.
func (p *inspection) structs() map[*types.TypeName]*types.Struct {
	all := map[*types.TypeName]*types.Struct{}
	for _, o := range p.info.Defs {
		if name, ok := o.(*types.TypeName); ok {
			if s, ok := name.Type().Underlying().(*types.Struct); ok {
				all[name] = s
			}
		}
	}
	return all
}

func (p *inspection) holdsFace(name *types.TypeName) bool {
	s := name.Type().Underlying().(*types.Struct)
	for i := range s.NumFields() {
		if p.faces[localType(s.Field(i).Type())] {
			return true
		}
	}
	return false
}

// fieldOf is the field that a selector means, nil when it means something else.
func (p *inspection) fieldOf(sel *ast.SelectorExpr) *types.Var {
	s := p.info.Selections[sel]
	if s == nil || s.Kind() != types.FieldVal {
		return nil
	}
	return s.Obj().(*types.Var).Origin()
}

// localType is the named type of the package that a type is or points to.
func localType(t types.Type) *types.TypeName {
	if pointer, ok := types.Unalias(t).(*types.Pointer); ok {
		t = pointer.Elem()
	}
	if named, ok := types.Unalias(t).(*types.Named); ok {
		return named.Origin().Obj()
	}
	return nil
}

func receiverType(fn *types.Func) *types.TypeName {
	return localType(fn.Signature().Recv().Type())
}

// fullName is how the table beforeStart names a method.
func fullName(fn *types.Func) string {
	return fn.Pkg().Path() + "." + receiverType(fn).Name() + "." + fn.Name()
}
