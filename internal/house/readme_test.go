package house

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
)

// readmeLines is what a newcomer reads before trying: about four screens.
const readmeLines = 200

// promised are the commands that everyone relies on, with the files that must
// spell them alike.
var promised = map[string][]string{
	"go run ./cmd/node demo": {"README.md"},
	"make test":              {"README.md", ".ci/run"},
}

var readmeRule = rule{
	name:  "readme",
	why:   "The README is the only page that everyone reads and the only one that no compiler does.",
	check: checkReadme,
	examples: []example{
		{
			files: `
-- README.md --
Try ` + "`go run ./cmd/node demo`" + ` and read [this](CHANGELOG.md#unreleased), [that](ARCHITECTURE.md) FAULT
or [the other](https://example.org/).
` + "```go" + ` FAULT: nobody compiles it
x, err := souk.New(ctx, h)
` + "```" + `
` + "```go" + `
x, err := souk.New(ctx, h, store)

defer x.Close()
` + "```" + `
-- CHANGELOG.md --
# Changelog
-- .ci/run --
make check
-- example_test.go --
package souk_test

func Example() {
	x, err := souk.New(ctx, h, store)

	defer x.Close()
}
`,
			at: []string{".ci/run", "README.md"},
		},
		{
			files: "\n-- README.md --\ngo run ./cmd/node demo\nmake test\n" + strings.Repeat("\n", readmeLines) +
				"\n-- .ci/run --\nexec make test\n",
			at: []string{"README.md"},
		},
	},
}

func checkReadme(m *module) []fault {
	var found []fault
	for command, where := range promised {
		for _, name := range where {
			if !strings.Contains(m.text(name), command) {
				found = append(found, fault{name, 0, fmt.Sprintf("does not have the command %q", command)})
			}
		}
	}
	readme := m.text("README.md")
	if n := strings.Count(readme, "\n"); n > readmeLines {
		found = append(found, fault{"README.md", 0, fmt.Sprintf("has %d lines, at most %d are right: what is not needed at first belongs in ARCHITECTURE.md", n, readmeLines)})
	}
	return slices.Concat(found, snippets(readme, m.text("example_test.go")), m.deadLinks())
}

// text is that of a file, empty when there is none.
func (m *module) text(name string) string {
	for _, f := range m.files {
		if f.path == name {
			return f.text
		}
	}
	return ""
}

// snippets finds the Go code in the README that is not in the example, which
// the tests run. How far a line is indented does not matter.
func snippets(readme, example string) []fault {
	var found []fault
	whole := flush(example)
	lines := strings.Split(readme, "\n")
	for i := 0; i < len(lines); i++ {
		if !strings.HasPrefix(lines[i], "```go") {
			continue
		}
		began := i
		for i++; i < len(lines) && lines[i] != "```"; i++ {
		}
		if !strings.Contains(whole, flush(strings.Join(lines[began+1:i], "\n"))) {
			found = append(found, fault{"README.md", began + 1, "is not in example_test.go: take it from there, so that it compiles"})
		}
	}
	return found
}

// flush gives a text with every line moved to the left.
func flush(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(strings.TrimSpace(line) + "\n")
	}
	return b.String()
}

var link = regexp.MustCompile(`\]\(([^)#]+)(#[^)]*)?\)`)

// deadLinks finds the links in Markdown that name a file that is not there.
func (m *module) deadLinks() []fault {
	there := map[string]bool{}
	for _, f := range m.files {
		there[f.path] = true
		there[f.dir()] = true
	}
	var found []fault
	for _, f := range m.files {
		if !strings.HasSuffix(f.path, ".md") {
			continue
		}
		for i, line := range strings.Split(f.text, "\n") {
			for _, to := range link.FindAllStringSubmatch(line, -1) {
				if !strings.Contains(to[1], ":") && !there[path.Join(f.dir(), to[1])] {
					found = append(found, fault{f.path, i + 1, fmt.Sprintf("links to %s, which is not there", to[1])})
				}
			}
		}
	}
	return found
}
