package house

import (
	"fmt"
	"regexp"
	"strings"
)

// strange are the words of one machine or of one way of working, put together
// from pieces so that this file passes its own rule.
var strange = regexp.MustCompile(strings.Join([]string{
	`\.\.` + `/shared`,
	`(^|[^\w./-])/` + `work/`,
	`(^|[^\w./-])/` + `root/`,
}, "|"))

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
		if !strange.MatchString(f.text) {
			continue
		}
		for i, line := range strings.Split(f.text, "\n") {
			if word := strange.FindString(line); word != "" {
				found = append(found, fault{f.path, i + 1, fmt.Sprintf("mentions %q, which is not of this project: name a path from the root of the repository", strings.TrimSpace(word))})
			}
		}
	}
	return found
}
