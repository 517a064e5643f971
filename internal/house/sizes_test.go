package house

import (
	"fmt"
	"go/ast"
	"strings"
)

// The limits are far above what is usual here (functions of about ten lines,
// files of a few hundred): whoever reaches one has two things in one place.
const (
	fileLines     = 600 // more than this is more than one concern
	functionLines = 100 // more than this does not fit on two screens
)

var sizeRule = rule{
	name:  "sizes",
	why:   "Good code and poor code have the same median function; they differ in the tail: the 300-line loop and the 3,000-line file.",
	check: checkSizes,
	examples: []example{
		{files: "\n-- session/long.go --\npackage session\n" + strings.Repeat("\n", fileLines), at: []string{"session/long.go"}},
		{files: "\n-- session/fits.go --\npackage session\n" + strings.Repeat("\n", fileLines-2)},
		{files: "\n-- session/loop.go --\npackage session\n\nfunc loop() { // FAULT\n" + strings.Repeat("\n", functionLines-1) + "}\n" +
			"\nfunc fits() {\n" + strings.Repeat("\n", functionLines-2) + "}\n"},
		{files: "\n-- session/loop_test.go --\npackage session\n\nfunc loop() {\n" + strings.Repeat("\n", functionLines-1) + "}\n"},
	},
}

func checkSizes(m *module) []fault {
	var found []fault
	for _, f := range m.sources() {
		if n := strings.Count(f.text, "\n"); n > fileLines {
			found = append(found, fault{f.path, 0, fmt.Sprintf("has %d lines, at most %d are right: divide it by concern", n, fileLines)})
		}
		if f.isTest() {
			continue
		}
		for _, d := range f.ast.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Body == nil {
				continue
			}
			n := m.fset.Position(fn.Body.End()).Line - m.fset.Position(fn.Body.Pos()).Line + 1
			if n > functionLines {
				found = append(found, m.fault(fn.Pos(), fmt.Sprintf("%s has %d lines, at most %d are right: give its steps names", fn.Name.Name, n, functionLines)))
			}
		}
	}
	return found
}
