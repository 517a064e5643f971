package house

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode"
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
-- docs/a.md --
[Here](#a-page), [nowhere](#a-pages) FAULT
and [there](../CHANGELOG.md#released) FAULT

# A (page)
` + "```go" + ` FAULT: it is in no example
x, err := souk.New(ctx, h, store)
` + "```" + `
` + "```go" + `
x.Close()
` + "```" + `
-- examples/a/main.go --
package main

func main() {
	x.Close()
}
-- CHANGELOG.md --
# Changelog

## Unreleased
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
	found = append(found, snippets("README.md", readme, "example_test.go", m.text("example_test.go"))...)
	return slices.Concat(found, m.manual(), m.deadLinks())
}

// manual finds the Go code in docs/ that is in no example.
func (m *module) manual() []fault {
	var examples strings.Builder
	for _, f := range m.files {
		if strings.HasPrefix(f.path, "examples/") {
			examples.WriteString(f.text)
		}
	}
	var found []fault
	for _, f := range m.files {
		if f.dir() == "docs" && strings.HasSuffix(f.path, ".md") {
			found = append(found, snippets(f.path, f.text, "examples", examples.String())...)
		}
	}
	return found
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

// snippets finds the Go code in a page that is not in the examples, which the
// tests run. How far a line is indented does not matter.
func snippets(page, text, where, examples string) []fault {
	var found []fault
	whole := flush(examples)
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		if !strings.HasPrefix(lines[i], "```go") {
			continue
		}
		began := i
		for i++; i < len(lines) && lines[i] != "```"; i++ {
		}
		if !strings.Contains(whole, flush(strings.Join(lines[began+1:i], "\n"))) {
			found = append(found, fault{page, began + 1, fmt.Sprintf("is not in %s: take it from there, so that it compiles", where)})
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

var link = regexp.MustCompile(`\]\(([^)#]*)(#[^)]*)?\)`)

// deadLinks finds the links in Markdown that name a file, or a heading of a page,
// that is not there.
func (m *module) deadLinks() []fault {
	there, anchors := map[string]bool{}, map[string]bool{}
	for _, f := range m.files {
		there[f.path] = true
		there[f.dir()] = true
		if strings.HasSuffix(f.path, ".md") {
			f.addAnchors(anchors)
		}
	}
	var found []fault
	for _, f := range m.files {
		if !strings.HasSuffix(f.path, ".md") {
			continue
		}
		for i, line := range strings.Split(f.text, "\n") {
			for _, to := range link.FindAllStringSubmatch(line, -1) {
				name := f.path
				if to[1] != "" {
					name = path.Join(f.dir(), to[1])
				}
				if !strings.Contains(to[1], ":") && (!there[name] || to[2] != "" && !anchors[name+to[2]]) {
					found = append(found, fault{f.path, i + 1, fmt.Sprintf("links to %s, which is not there", to[1]+to[2])})
				}
			}
		}
	}
	return found
}

// addAnchors notes the headings of a page under the names that GitHub gives them:
// in small letters, with hyphens for spaces and without what is no letter or digit.
func (f *file) addAnchors(to map[string]bool) {
	for line := range strings.Lines(f.text) {
		text := strings.TrimLeft(line, "#")
		if text == line || !strings.HasPrefix(text, " ") {
			continue
		}
		to[f.path+"#"+strings.Map(anchorRune, strings.ToLower(strings.TrimSpace(text)))] = true
	}
}

func anchorRune(r rune) rune {
	switch {
	case r == ' ':
		return '-'
	case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
		return r
	}
	return -1
}
