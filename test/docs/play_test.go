//go:build unix

package docs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/souk-p2p/souk/test/internal/command"
)

// play is one page being followed.
type play struct {
	root, dir, souk string
	environ         []string
	networks        map[string]string // of machines that have one of their own
	machines        map[string]*machine
	printed         string // by all blocks so far
	before          string // by the block before, if that has run
	ran             bool
	left            []string
}

// newPlay makes the place in which a page is followed.
func newPlay(root string) (*play, error) {
	souk, err := command.Souk()
	if err != nil {
		return nil, err
	}
	environ, err := environment()
	if err != nil {
		return nil, err
	}
	// The path of a socket below it has to be short.
	dir, err := os.MkdirTemp("", "souk-docs-")
	return &play{root: root, dir: dir, souk: souk, environ: environ, machines: map[string]*machine{}}, err
}

// environment is that of this process without settings of souk, and with what Go
// would look for in the home directory.
func environment() ([]string, error) {
	var environ []string
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "SOUK_") && !strings.HasPrefix(e, "HOME=") && !strings.HasPrefix(e, "PATH=") {
			environ = append(environ, e)
		}
	}
	for _, name := range []string{"GOCACHE", "GOMODCACHE", "GOPATH"} {
		value, err := exec.Command("go", "env", name).Output()
		if err != nil {
			return nil, err
		}
		environ = append(environ, name+"="+strings.TrimSpace(string(value)))
	}
	return environ, nil
}

// follow runs the blocks in order, until one of them is not as the page says.
func (p *play) follow(ctx context.Context, blocks []block) error {
	for i := range blocks {
		if err := p.block(ctx, &blocks[i]); err != nil {
			return fmt.Errorf("%s: %w", blocks[i].at, err)
		}
	}
	return nil
}

func (p *play) block(ctx context.Context, b *block) error {
	ran := p.ran
	p.ran = false
	switch {
	case b.language == "text" && ran:
		return compare(b.text, p.before)
	case b.language != "sh":
		return nil
	case b.has("needs"):
		p.left = append(p.left, fmt.Sprintf("%s needs %s: %s", b.at, b.marks["needs"], needs[b.marks["needs"]]))
		return nil
	}
	if program := b.absent(); program != "" {
		p.left = append(p.left, fmt.Sprintf("%s needs %s, which is not installed", b.at, program))
		return nil
	}
	m, err := p.machine(b.marks["on"])
	if err != nil {
		return err
	}
	text, err := fill(b.text, p.printed)
	if err != nil {
		return err
	}
	p.before, err = m.do(ctx, b, p.root, text)
	p.printed += p.before
	p.ran = true
	return err
}

func (m *machine) do(ctx context.Context, b *block, root, text string) (string, error) {
	dir := m.home
	if b.marks["in"] == "checkout" {
		dir, text = root, "cd "+root+"\n"+text
	}
	if b.has("stays") {
		return m.stay(ctx, b.at, dir, text)
	}
	return m.run(ctx, dir, text)
}

func (p *play) machine(name string) (*machine, error) {
	if m := p.machines[name]; m != nil {
		return m, nil
	}
	m, err := newMachine(filepath.Join(p.dir, "home"+name), p.souk, p.networks[name], p.environ)
	if err != nil {
		return nil, err
	}
	p.machines[name] = m
	return m, nil
}

// end ends what still runs, and says what did not end well.
func (p *play) end() error {
	var all error
	for _, m := range p.machines {
		all = errors.Join(all, m.stop())
	}
	return errors.Join(all, os.RemoveAll(p.dir))
}
