package house

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

const modulePath = "github.com/souk-p2p/souk"

// file is one file of the repository.
type file struct {
	path string    // from the root, with slashes
	text string    // empty when the file is too large to be written by hand
	ast  *ast.File // nil unless it is a Go file of a package
}

// dir is the file's folder, "." at the root.
func (f *file) dir() string { return path.Dir(f.path) }

func (f *file) name() string { return path.Base(f.path) }

// isTest tells a file that is no part of the product: one of a test, or one that
// only the build for the simulation has.
func (f *file) isTest() bool {
	return strings.HasSuffix(f.path, "_test.go") || strings.HasPrefix(f.text, "//go:build simulation\n")
}

// isState tells whether the file holds an actor's decisions.
func (f *file) isState() bool {
	return isActor(f.dir()) && strings.HasPrefix(f.name(), "state") && !f.isTest()
}

// imports gives the import declarations with their unquoted paths.
func (f *file) imports() []imported {
	var all []imported
	for _, spec := range f.ast.Imports {
		target, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue // The parser has refused it already.
		}
		name := path.Base(target)
		if isVersion(name) {
			name = path.Base(path.Dir(target))
		}
		if spec.Name != nil {
			name = spec.Name.Name
		}
		all = append(all, imported{target, name, spec.Pos()})
	}
	return all
}

// imported is an import with the name that the file knows it by: a guess from
// the path where the file gives none, which holds for the standard library and
// this module.
type imported struct {
	path string
	name string
	pos  token.Pos
}

// isVersion tells the v2 of math/rand/v2.
func isVersion(element string) bool {
	return len(element) > 1 && element[0] == 'v' && strings.Trim(element[1:], "0123456789") == ""
}

// own is the folder of a package of this module, and false for any other.
func own(importPath string) (string, bool) {
	if importPath == modulePath {
		return ".", true
	}
	return strings.CutPrefix(importPath, modulePath+"/")
}

// isStandard tells a package of the standard library by the rule of the go
// command: no dot in the first element.
func isStandard(importPath string) bool {
	first, _, _ := strings.Cut(importPath, "/")
	return !strings.Contains(first, ".")
}

// module is the whole repository, parsed.
type module struct {
	fset    *token.FileSet
	files   []*file  // in lexical order
	folders []string // at the top, in lexical order
	broken  []fault  // Go files that do not parse
}

// product gives the Go files that are not tests.
func (m *module) product() []*file {
	return slices.DeleteFunc(m.sources(), (*file).isTest)
}

// sources gives all Go files.
func (m *module) sources() []*file {
	var all []*file
	for _, f := range m.files {
		if f.ast != nil {
			all = append(all, f)
		}
	}
	return all
}

// packageFiles gives the files of one package that are not tests.
func (m *module) packageFiles(dir string) []*file {
	return slices.DeleteFunc(m.product(), func(f *file) bool { return f.dir() != dir })
}

// fault is one place where a rule is broken.
type fault struct {
	file string
	line int // 0 when the fault is that of a whole file or folder
	says string
}

func (m *module) fault(pos token.Pos, says string) fault {
	at := m.fset.Position(pos)
	return fault{at.Filename, at.Line, says}
}

// handWritten is the size above which a file was not written but built or recorded:
// it does not belong here.
const handWritten = 4 << 20

// load reads the repository. What git does not keep, it leaves out.
func load(fsys fs.FS) (*module, error) {
	m := &module{fset: token.NewFileSet()}
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == "." {
			return err
		}
		if d.IsDir() {
			return m.enter(name)
		}
		return m.add(fsys, name, d)
	})
	return m, err
}

func (m *module) enter(name string) error {
	if name == ".git" || name == "bin" {
		return fs.SkipDir
	}
	if !strings.Contains(name, "/") {
		m.folders = append(m.folders, name)
	}
	return nil
}

func (m *module) add(fsys fs.FS, name string, d fs.DirEntry) error {
	if name == "node" { // What go build ./cmd/node leaves, which git ignores.
		return nil
	}
	f := &file{path: name}
	m.files = append(m.files, f)
	info, err := d.Info()
	if err != nil || !info.Mode().IsRegular() {
		return err
	}
	if info.Size() > handWritten {
		m.broken = append(m.broken, fault{name, 0, fmt.Sprintf("has %d bytes: what was built or recorded does not belong here", info.Size())})
		return nil
	}
	text, err := fs.ReadFile(fsys, name)
	if err != nil {
		return err
	}
	f.text = string(text)
	if strings.HasSuffix(name, ".go") && !strings.Contains("/"+name, "/testdata/") {
		m.parse(f)
	}
	return nil
}

func (m *module) parse(f *file) {
	parsed, err := parser.ParseFile(m.fset, f.path, f.text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		m.broken = append(m.broken, fault{f.path, 0, "does not parse: " + err.Error()})
		return
	}
	f.ast = parsed
}
