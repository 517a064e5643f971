//go:build unix

package docs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/souk-p2p/souk/test/internal/command"
)

const (
	// A block takes a second or two; ten times that where tests share two cores.
	blockTime = time.Minute
	// How long a node has to end, which it does in 2 s and what a drain takes.
	endTime = 20 * time.Second
	// How often a test looks what a node has printed.
	tick = 20 * time.Millisecond
)

// machine is a home directory with what runs in it.
type machine struct {
	home    string
	network string // the namespace that the machine is in, if it has one of its own
	environ []string
	debug   string // where its node shows pages
	staying []*staying
}

// staying is a command that runs until it is interrupted.
type staying struct {
	at    string
	cmd   *exec.Cmd
	out   *command.Output
	ended chan error
}

// prologue takes up what the block before has left, and leaves the same. The first
// interrupt is for the command that runs.
const prologue = `if [ -f "$SOUK_DOCS_STATE" ]; then . "$SOUK_DOCS_STATE"; cd "$PWD"; fi
trap 'export -p >"$SOUK_DOCS_STATE"' EXIT
trap : INT
set -eua
`

// newMachine is in a network namespace that exists, where its ports are its own, or
// among all others.
func newMachine(home, souk, network string, environ []string) (*machine, error) {
	if err := os.MkdirAll(home, 0o755); err != nil {
		return nil, err
	}
	m := &machine{home: home, network: network, debug: "127.0.0.1:0"}
	m.environ = append(slices.Clone(environ),
		"HOME="+home,
		"PATH="+filepath.Dir(souk)+string(os.PathListSeparator)+os.Getenv("PATH"),
		"SOUK_DOCS_STATE="+filepath.Join(home, ".state"),
	)
	if network == "" {
		m.environ = append(m.environ, "SOUK_LISTEN=/ip4/127.0.0.1/tcp/0", "SOUK_DEBUG=127.0.0.1:0")
	}
	return m, nil
}

// command is a shell with a block.
func (m *machine) command(ctx context.Context, dir, text string, out *command.Output) *exec.Cmd {
	line := []string{"sh", "-c", prologue + m.free(text)}
	if m.network != "" {
		line = append([]string{"ip", "netns", "exec", m.network}, line...)
	}
	cmd := exec.CommandContext(ctx, line[0], line[1:]...)
	cmd.Dir, cmd.Env = dir, m.environ
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	return cmd
}

// free makes nodes listen where nobody does, and asks for pages where they are.
func (m *machine) free(text string) string {
	if m.network != "" {
		return text
	}
	return strings.NewReplacer("/tcp/4101", "/tcp/0", "/udp/4101", "/udp/0", ":8191", ":0", "127.0.0.1:4180", m.debug).Replace(text)
}

// run runs a block to its end.
func (m *machine) run(ctx context.Context, dir, text string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, blockTime)
	defer cancel()
	var out command.Output
	err := m.command(ctx, dir, text, &out).Run()
	if err != nil {
		err = fmt.Errorf("%w: %s", errors.Join(err, ctx.Err()), &out)
	}
	return out.String(), err
}

var (
	ready   = regexp.MustCompile(`(?m)^(ready|sharing until.*)$`)
	debugAt = regexp.MustCompile(`(?m)^debug http://([^/\s]+)`)
)

// stay starts a block whose last command goes on, and returns when that is ready.
func (m *machine) stay(ctx context.Context, at, dir, text string) (string, error) {
	s := &staying{at: at, out: &command.Output{}, ended: make(chan error, 1)}
	s.cmd = m.command(context.Background(), dir, text, s.out)
	if err := s.cmd.Start(); err != nil {
		return "", err
	}
	go func() { s.ended <- s.cmd.Wait() }()
	m.staying = append(m.staying, s)
	ctx, cancel := context.WithTimeout(ctx, blockTime)
	defer cancel()
	for !ready.MatchString(s.out.String()) {
		select {
		case err := <-s.ended:
			s.ended <- err
			return "", fmt.Errorf("it has ended (%v): %s", err, s.out)
		case <-ctx.Done():
			return "", fmt.Errorf("it is not ready: %s", s.out)
		case <-time.After(tick):
		}
	}
	if found := debugAt.FindStringSubmatch(s.out.String()); found != nil {
		m.debug = found[1]
	}
	return s.out.String(), nil
}

// stop interrupts what stays, the last one first, and says what did not end well.
func (m *machine) stop() error {
	var all error
	for i := len(m.staying) - 1; i >= 0; i-- {
		s := m.staying[i]
		if err := s.stop(); err != nil {
			all = errors.Join(all, fmt.Errorf("%s: after an interrupt: %w: %s", s.at, err, s.out))
		}
	}
	m.staying = nil
	return all
}

func (s *staying) stop() error {
	_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGINT) // or it has ended, which the channel tells
	select {
	case err := <-s.ended:
		return err
	case <-time.After(endTime):
		_ = s.cmd.Cancel()
		return errors.Join(errors.New("it did not end"), <-s.ended)
	}
}
