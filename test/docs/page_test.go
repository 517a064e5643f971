//go:build unix

package docs

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// block is what is between two fences.
type block struct {
	at       string // page:line of the fence
	language string
	marks    map[string]string
	text     string
}

// needs are the things that a block may ask for instead of being run here, and who
// has them.
var needs = map[string]string{
	"two-machines": "make test-system runs it, in two network namespaces",
	"root":         "it changes the system that it is run on",
	"systemd":      "a service manager has to run",
	"certificate":  "the machine has to have one for its name",
	"docker":       "a Docker daemon has to run",
	"kubo":         "the program of another project",
	"internet":     "it connects to nodes of others",
	"prometheus":   "make test-system checks the files that it is given",
	"time":         "it measures for hours, or runs all tests with this one among them",
	"build":        "it makes the command that all blocks are run with",
}

// marks are the words that may follow the language.
var marks = []string{"on", "stays", "in", "needs"}

// pages are the files whose commands are run, from the directory of the module.
func pages(root string) ([]string, error) {
	found, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	return append(found, filepath.Join(root, "README.md")), err
}

func readPage(path string) ([]block, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return parse(filepath.Base(path), string(text))
}

// parse finds the blocks of a page. Commands that no test would run are an error.
func parse(page, text string) ([]block, error) {
	var all []block
	var in *block
	for i, line := range strings.Split(text, "\n") {
		at := fmt.Sprintf("%s:%d", page, i+1)
		info, fence := strings.CutPrefix(line, "```")
		switch {
		case fence && in != nil:
			all, in = append(all, *in), nil
		case fence:
			b, err := open(at, info)
			if err != nil {
				return nil, err
			}
			in = &b
		case hidden(in, line):
			return nil, fmt.Errorf("%s: %q is a command: fence it as sh", at, strings.TrimSpace(line))
		case in != nil:
			in.text += line + "\n"
		}
	}
	if in != nil {
		return nil, fmt.Errorf("%s: the block does not end", in.at)
	}
	return all, nil
}

var indented = regexp.MustCompile(`^( {4}|\t)souk `)

// hidden reports whether a line is a command that is not in a block of commands.
func hidden(in *block, line string) bool {
	return in == nil && indented.MatchString(line) || in != nil && in.language == "" && strings.HasPrefix(line, "souk ")
}

func open(at, info string) (block, error) {
	b := block{at: at, marks: map[string]string{}}
	for i, word := range strings.Fields(info) {
		if i == 0 {
			b.language = word
			continue
		}
		name, value, _ := strings.Cut(word, "=")
		if !slices.Contains(marks, name) {
			return b, fmt.Errorf("%s: a block has no mark %q", at, word)
		}
		b.marks[name] = value
	}
	if b.language == "console" {
		return b, fmt.Errorf("%s: fence commands as sh, and what they print as text", at)
	}
	if what, ok := b.marks["needs"]; ok && needs[what] == "" {
		return b, fmt.Errorf("%s: %q is nothing that a block may need", at, what)
	}
	return b, nil
}

// optional are programs that operators have and a machine with Go and make may not.
var optional = regexp.MustCompile(`(?m)(?:^|\| *|\$\()(curl|jq|openssl) `)

// absent names a program that the block uses and this machine has not.
func (b *block) absent() string {
	for _, found := range optional.FindAllStringSubmatch(b.text, -1) {
		if _, err := exec.LookPath(found[1]); err != nil {
			return found[1]
		}
	}
	return ""
}

func (b *block) has(mark string) bool { _, ok := b.marks[mark]; return ok }
