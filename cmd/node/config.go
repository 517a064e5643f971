package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"

	"github.com/spf13/cobra"

	"github.com/souk-p2p/souk/cmd/node/internal/config"
)

func newConfig(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Show, check and change the settings of a node",
		Long: `Shows, checks and changes the settings of the node: the flags of "souk run". The value
of each comes from the command line of "souk run", else from the environment (SOUK_LOG
for --log), else from the repository's file "config", else it is the default.`,
		Example: `  souk config show
  souk config set tracker-memory 64
  souk config check`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newConfigShow(a), newConfigCheck(a), newConfigSet(a), newConfigUnset(a))
	return cmd
}

type configShowOptions struct{ next bool }

func newConfigShow(a *app) *cobra.Command {
	var o configShowOptions
	cmd := &cobra.Command{
		Use:   "show [KEY]",
		Short: "Print the settings and where their values come from",
		Long: `Prints the settings that the running node uses, each with where its value comes from.
Without a running node, or with --next, they are those of a "souk run" without flags
in this environment. Of secrets nothing is printed but that they are set.`,
		Example: `  souk config show
  souk config show log
  souk config show --next --json`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.run(cmd.Context(), a, args)
		},
		ValidArgsFunction: completeKeys,
	}
	cmd.Flags().BoolVar(&o.next, "next", false, "those of the next start, although a node runs")
	return cmd
}

func (o *configShowOptions) run(ctx context.Context, a *app, args []string) error {
	dir, err := a.repoDir()
	if err != nil {
		return err
	}
	if len(args) == 1 {
		if flags := new(runOptions).flagSet(); flags.Lookup(args[0]) == nil {
			return &usageError{config.Unknown(flags, args[0], "")}
		}
	}
	all, err := o.settings(ctx, a, dir)
	if err != nil {
		return err
	}
	if len(args) == 1 {
		all = slices.DeleteFunc(all, func(s config.Setting) bool { return s.Key != args[0] })
	}
	return printSettings(a, all, len(args) == 1)
}

// settings are those of the running node or of the next.
func (o *configShowOptions) settings(ctx context.Context, a *app, dir string) ([]config.Setting, error) {
	if !o.next {
		n, err := dialNode(ctx, dir)
		var nobody *net.OpError
		switch {
		case err == nil:
			defer n.Close()
			return n.Settings(ctx)
		case !errors.As(err, &nobody):
			return nil, err
		}
	}
	p, err := new(runOptions).next(a.sources(dir))
	if err != nil {
		return nil, err
	}
	return p.settings.All(), nil
}

// next is the plan of a start without flags.
func (o *runOptions) next(from sources) (*plan, error) { return o.settle(o.flagSet(), from) }

func printSettings(a *app, all []config.Setting, alone bool) error {
	if a.json {
		return printEach(a.out, all)
	}
	if alone {
		for _, s := range all {
			if _, err := fmt.Fprintln(a.out, printable(s.Text())); err != nil {
				return err
			}
		}
		return nil
	}
	t := newTable(a.out)
	fmt.Fprintln(t, "KEY\tVALUE\tFROM")
	for _, s := range all {
		from := string(s.Origin)
		if s.Place != "" {
			from = s.Place
		}
		fmt.Fprintf(t, "%s\t%s\t%s\n", s.Key, printable(s.Text()), printable(from))
	}
	return t.Flush()
}

// checked is what `souk config check` prints as JSON.
type checked struct {
	File   string   `json:"file"`
	OK     bool     `json:"ok"`
	Faults []string `json:"faults"`
	Notes  []string `json:"notes,omitempty"` // what is not wrong, and may not be meant
}

func newConfigCheck(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "check",
		Short: "Check the settings that the next start would use",
		Long: `Checks the repository's file "config" and the environment as "souk run" does, without
starting anything. It names everything that is wrong, and then ends with status 2. A
variable that looks like that of a setting, and is none, is named as well.`,
		Example: `  souk config check
  souk config check && systemctl reload souk`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			dir, err := a.repoDir()
			if err != nil {
				return err
			}
			from := a.sources(dir)
			_, err = new(runOptions).next(from)
			return printChecked(a, from.path, err)
		},
	}
}

// printChecked prints that nothing is wrong, or returns what is, which is wrong
// usage whatever it is.
func printChecked(a *app, path string, wrong error) error {
	c := checked{File: path, OK: wrong == nil, Faults: []string{}}
	for _, fault := range leaves(wrong) {
		c.Faults = append(c.Faults, fault.Error())
	}
	for _, stray := range a.strays() {
		c.Notes = append(c.Notes, stray.Error())
	}
	if wrong != nil {
		wrong = &usageError{wrong}
	}
	if a.json {
		return errors.Join(printJSON(a.out, c), wrong)
	}
	for _, note := range c.Notes {
		fmt.Fprintf(a.err, "souk: %s\n", note)
	}
	if wrong == nil {
		_, err := fmt.Fprintf(a.out, "%s and the environment: nothing is wrong\n", printable(path))
		return err
	}
	return wrong
}

// leaves are the errors that were joined into one.
func leaves(err error) []error {
	if usage, ok := err.(*usageError); ok {
		return leaves(usage.error)
	}
	many := config.Joined(err)
	if many == nil && err != nil {
		return []error{err}
	}
	var all []error
	for _, one := range many {
		all = append(all, leaves(one)...)
	}
	return all
}
