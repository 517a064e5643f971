package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/souk-p2p/souk/cmd/node/internal/logs"
	"github.com/souk-p2p/souk/cmd/node/internal/node"
)

// levelSet is what is printed when a level was changed.
type levelSet struct {
	Subsystem string `json:"subsystem"`
	Level     string `json:"level"`
}

func newLog(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "log",
		Short: "Show and change what the running node logs",
		Long: `Shows and changes from which level on each subsystem of the running node logs.
A change lasts until the node stops; the setting "log" is for longer.`,
		Example: `  souk log ls
  souk log level network debug`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newLogLs(a), newLogLevel(a))
	return cmd
}

func newLogLs(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "ls",
		Short: "List the subsystems of the running node and their levels",
		Long: `Lists the subsystems that log, each with the level from which on it does and what
it tells of. A subsystem without a level of its own has that of the one above it.`,
		Example: `  souk log ls
  souk log ls --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withNode(cmd.Context(), func(n node.Node) error { return listLevels(cmd.Context(), a, n) })
		},
	}
}

func listLevels(ctx context.Context, a *app, n node.Node) error {
	all, err := n.LogLevels(ctx)
	if err != nil {
		return err
	}
	if a.json {
		return printEach(a.out, all)
	}
	t := newTable(a.out)
	fmt.Fprintln(t, "SUBSYSTEM\tLEVEL\tTELLS OF")
	for _, s := range all {
		fmt.Fprintf(t, "%s\t%s\t%s\n", printable(s.Name), s.Level, s.About)
	}
	return t.Flush()
}

func newLogLevel(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "level [SUBSYSTEM] LEVEL",
		Short: "Change from which level on the running node logs",
		Long: `Lets the running node log from LEVEL on, which is debug, info, warn, error or off.
With a SUBSYSTEM only that one and those below it; with "all" each, also those that
have a level of their own. "souk log ls" lists them.`,
		Example: `  souk log level info
  souk log level network debug
  souk log level libp2p.swarm2 debug
  souk log level all warn`,
		Args:              cobra.RangeArgs(1, 2),
		ValidArgsFunction: completeLevels,
		RunE: func(cmd *cobra.Command, args []string) error {
			asked := levelSet{Subsystem: logs.Usual, Level: args[len(args)-1]}
			if len(args) == 2 {
				asked.Subsystem = args[0]
			}
			if err := asked.check(); err != nil {
				return err
			}
			return a.withNode(cmd.Context(), func(n node.Node) error { return asked.set(cmd.Context(), a, n) })
		},
	}
}

func (s *levelSet) set(ctx context.Context, a *app, n node.Node) error {
	if err := n.SetLogLevel(ctx, s.Subsystem, s.Level); err != nil {
		return err
	}
	if a.json {
		return printJSON(a.out, s)
	}
	what := s.Subsystem
	if what == logs.Usual {
		what = "subsystems without a level of their own"
	}
	_, err := fmt.Fprintf(a.out, "%s: %s\n", printable(what), s.Level)
	return err
}

// check finds out what is wrong without the node.
func (s *levelSet) check() error {
	subsystem := s.Subsystem
	if subsystem == node.EverySubsystem {
		subsystem = logs.Usual
	}
	if _, err := (logs.Levels{}).With(subsystem, s.Level); err != nil {
		return &usageError{err}
	}
	return nil
}
