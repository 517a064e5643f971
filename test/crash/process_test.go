package crash

import (
	"encoding/json"
	"errors"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/test/eventually"
	"github.com/souk-p2p/souk/test/internal/command"
)

// souk builds the command, the first time, and returns its path.
func souk(t testing.TB) string {
	path, err := command.Souk()
	require.NoError(t, err)
	return path
}

// process is a program that runs and may be killed.
type process struct {
	cmd    *exec.Cmd
	out    *command.Output
	errors *command.Output
	ended  chan struct{}
	err    error // once it has ended
}

// launch starts a program and does not wait for it. What is left of it at the
// end of the test is killed.
func launch(t testing.TB, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{cmd: cmd, out: &command.Output{}, errors: &command.Output{}, ended: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = p.out, p.errors
	require.NoError(t, cmd.Start())
	go func() {
		defer close(p.ended)
		p.err = cmd.Wait()
	}()
	t.Cleanup(p.kill)
	return p
}

// start launches the command on a repository.
func start(t testing.TB, repo string, args ...string) *process {
	t.Helper()
	return launch(t, exec.Command(souk(t), append([]string{"--repo", repo}, args...)...))
}

// run runs the command on a repository to its successful end.
func run(t testing.TB, repo string, args ...string) string {
	t.Helper()
	p := start(t, repo, args...)
	require.NoError(t, p.wait(), "souk %s: %s", strings.Join(args, " "), p.errors)
	return p.out.String()
}

// patience is what nothing here needs.
const patience = eventually.Patience

var errHangs = errors.New("the process does not end")

// wait returns when the process has ended by itself, with an error unless it
// did what it should. One that hangs is killed.
func (p *process) wait() error {
	select {
	case <-p.ended:
		return p.err
	case <-time.After(patience):
		p.kill()
		return errHangs
	}
}

// kill ends the process as a crash would: it has no say in it.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.ended
}

// killAfter kills the process when it has had so much time, if it takes as long.
func (p *process) killAfter(d time.Duration) {
	select {
	case <-p.ended:
	case <-time.After(d):
		p.kill()
	}
}

// lines returns the complete lines of the output so far.
func (p *process) lines() []string {
	text := p.out.String()
	whole := text[:strings.LastIndexByte(text, '\n')+1]
	return strings.FieldsFunc(whole, func(r rune) bool { return r == '\n' })
}

// node is a running node.
type node struct {
	*process
	repo string
	Addr []string `json:"addresses"`
}

// serve starts a node on a repository.
func serve(t testing.TB, repo string, flags ...string) *node {
	t.Helper()
	args := append([]string{"--json", "run", "--debug", "off", "--listen", "/ip4/127.0.0.1/tcp/0"}, flags...)
	return &node{process: start(t, repo, args...), repo: repo}
}

// served starts a node on a repository and waits until it can be asked.
func served(t testing.TB, repo string, flags ...string) *node {
	t.Helper()
	n := serve(t, repo, flags...)
	require.True(t, n.ready(t), "%s", n.errors)
	return n
}

// ready waits until the node can be asked, and reports false when it has ended
// before.
func (n *node) ready(t testing.TB) bool {
	t.Helper()
	for end := time.Now().Add(patience); ; {
		if lines := n.lines(); len(lines) > 0 {
			require.NoError(t, json.Unmarshal([]byte(lines[0]), n))
			return true
		}
		select {
		case <-n.ended:
			return false
		case <-time.After(5 * time.Millisecond):
			require.True(t, time.Now().Before(end), "the node is not ready: %s", n.errors)
		}
	}
}
