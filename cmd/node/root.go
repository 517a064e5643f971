package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/souk-p2p/souk/cmd/node/internal/logs"
	"github.com/souk-p2p/souk/cmd/node/internal/repo"
)

// app is what all verbs share: the streams and the global flags.
type app struct {
	in       io.Reader
	out, err io.Writer
	terminal bool // err is one, so that progress can be drawn on it

	environment func(name string) (value string, ok bool)
	variables   func() []string // all of the environment, as NAME=value

	repo     string
	json     bool
	progress string // progressBar, progressJSON or progressNone
	started  bool   // the command line was understood and a verb runs
}

func newApp(in io.Reader, out, err io.Writer) *app {
	f, ok := err.(*os.File)
	return &app{in: in, out: out, err: err, environment: os.LookupEnv, variables: os.Environ, terminal: ok && term.IsTerminal(int(f.Fd()))}
}

// captureLibp2p gives what libp2p says to the node's log, where it is heard when the
// setting log names it, unless its own environment variable asks for it.
func captureLibp2p() {
	if os.Getenv("GOLOG_LOG_LEVEL") == "" {
		logs.CaptureLibp2p()
	}
}

// execute runs one command line, reports its error and returns the exit code.
func execute(ctx context.Context, a *app, args []string) int {
	root := newRoot(a)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	if !a.started {
		err = &usageError{err}
	}
	err = stopped(ctx, err)
	a.report(err)
	return exitCode(err)
}

// helpWidth is how wide the help of flags is: terminals have 80 columns or more, and
// long flags need some of the difference to leave room for what they do.
const helpWidth = 90

func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "souk",
		Short: "Move content-addressed blocks between peers",
		Long: `Souk moves content-addressed blocks between peers. It speaks Bitswap 1.2 to
every peer that exists today, and keeps blocks in a repository that it makes on
first use. While "souk run" has the repository open, the other commands use the
running node.

` + listExitCodes() + `
"souk help exit-codes" says what they mean.`,
		Version:       release(),
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRunE: func(*cobra.Command, []string) error {
			a.started = true
			return a.checkProgress()
		},
	}
	root.SetUsageTemplate(strings.ReplaceAll(root.UsageTemplate(), ".FlagUsages", fmt.Sprintf(".FlagUsagesWrapped %d", helpWidth)))
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.err)
	root.PersistentFlags().StringVar(&a.repo, "repo", "", "repository directory (default $SOUK_REPO, or ~/.souk)")
	root.PersistentFlags().StringVar(&a.progress, "progress", progressBar, "show how far it is on standard error: as a bar, on terminals only, as json, a value a line, or none")
	root.PersistentFlags().BoolVar(&a.json, "json", false, "print JSON, one value a line")
	root.AddCommand(
		newAdd(a), newGet(a), newCat(a), newLs(a), newBlock(a), newPin(a), newDoc(a), newGC(a), newVerify(a), newQuarantine(a), newCAR(a), newShare(a),
		newRun(a), newHealth(a), newStat(a), newPeers(a), newConnect(a), newDisconnect(a), newWants(a), newSessions(a), newLedger(a),
		newAnnounce(a), newFind(a), newTrackers(a),
		newAccess(a), newConfig(a), newLog(a), newID(a), newVersion(a),
		newDemo(a), newCompletion(a), newMan(a), newExitCodes(),
	)
	return root
}

// repoDir is the repository that the command line or the environment names.
func (a *app) repoDir() (string, error) {
	if a.repo != "" {
		return a.repo, nil
	}
	return repo.Default()
}

// printJSON writes one value on a line of its own.
func printJSON(w io.Writer, v any) error { return json.NewEncoder(w).Encode(v) }

// printEach writes each value as JSON on a line of its own.
func printEach[T any](w io.Writer, all []T) error {
	for i := range all {
		if err := printJSON(w, &all[i]); err != nil {
			return err
		}
	}
	return nil
}
