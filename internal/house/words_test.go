package house

import (
	"fmt"
	"regexp"
	"strings"
)

// The words of one machine or of one way of working are put together from pieces so
// that this file passes its own rule.
const notes, work, root = "../" + "shared", "/" + "work/", "/" + "root/"

// strange finds them where they are not part of a longer path.
var strange = regexp.MustCompile(regexp.QuoteMeta(notes) + `|(^|[^\w./-])(` + work + "|" + root + ")")

var wordRule = rule{
	name:  "words",
	why:   "A repository is read on other machines by people who know only what is in it. A path of the machine where a line was written tells them nothing.",
	check: checkWords,
	examples: []example{{files: `
-- README.md --
See the notes in ../` + `shared/notes.md. FAULT
Run '/` + `work/main/souk' now. FAULT
Paths such as /network/, example.org/` + `work/x and ./root/x are fine.
-- session/state.go --
package session

// from /` + `root/go/pkg/mod FAULT
-- test/testdata/vector.txt --
/` + `work/file FAULT
`}},
}

func checkWords(m *module) []fault {
	var found []fault
	for _, f := range m.files {
		if !strings.Contains(f.text, notes) && !strings.Contains(f.text, work) && !strings.Contains(f.text, root) {
			continue // The expression would take a minute over all files with the race detector.
		}
		for i, line := range strings.Split(f.text, "\n") {
			if word := strange.FindString(line); word != "" {
				found = append(found, fault{f.path, i + 1, fmt.Sprintf("mentions %q, which is not of this project: name a path from the root of the repository", strings.TrimSpace(word))})
			}
		}
	}
	return found
}
