package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/souk-p2p/souk/cmd/node/internal/config"
	"github.com/souk-p2p/souk/cmd/node/internal/repo"
)

func newConfigSet(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "set KEY VALUE...",
		Short: "Change a setting in the repository's file",
		Long: `Writes a setting into the repository's file "config", unless a "souk run" with that
file would refuse it. A list takes several values, or one with commas in it. A VALUE
of - is read from standard input, which keeps secrets out of the shell's history. A
node that runs takes the change when it gets a SIGHUP, or is restarted.`,
		Example: `  souk config set log warn,network=debug
  souk config set listen /ip4/0.0.0.0/tcp/4101 /ip4/0.0.0.0/udp/4101/quic-v1
  souk config set tracker true`,
		Args: cobra.MinimumNArgs(2),
		RunE: func(_ *cobra.Command, args []string) error {
			texts, err := a.readValues(args[1:])
			if err != nil {
				return err
			}
			return a.editSetting(args[0], func(f *config.File, flag *pflag.Flag) error {
				if err := f.Set(flag, texts...); err != nil {
					return &usageError{err}
				}
				return nil
			})
		},
		ValidArgsFunction: completeKeys,
	}
}

// readValues puts the first line of standard input in place of a -.
func (a *app) readValues(values []string) ([]string, error) {
	if len(values) != 1 || values[0] != stdin {
		return values, nil
	}
	line, err := bufio.NewReader(io.LimitReader(a.in, maxValue)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read the value: %w", err)
	}
	return []string{strings.TrimRight(line, "\r\n")}, nil
}

// maxValue is more than any setting takes.
const maxValue = 64 << 10

func newConfigUnset(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "unset KEY",
		Short: "Take a setting out of the repository's file",
		Long: `Takes a setting out of the repository's file "config", so that it has its default
again, unless the environment or the command line of "souk run" says otherwise. It is
no error when the file does not have it. Keys that are no setting are removed, too.`,
		Example: `  souk config unset listen`,
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			return a.editSetting(args[0], func(f *config.File, _ *pflag.Flag) error {
				f.Unset(args[0])
				return nil
			})
		},
		ValidArgsFunction: completeKeys,
	}
}

// editSetting changes one key of the repository's file, unless something is wrong
// with the result that was not wrong before.
func (a *app) editSetting(key string, change func(*config.File, *pflag.Flag) error) error {
	dir, err := a.repoDir()
	if err != nil {
		return err
	}
	if err := repo.Prepare(dir); err != nil {
		return err
	}
	flags := new(runOptions).flagSet()
	flag := flags.Lookup(key)
	path := a.sources(dir).path
	var now *plan
	err = config.Edit(path, func(f *config.File) (err error) {
		if flag == nil && !f.Has(key) {
			return &usageError{config.Unknown(flags, key, "")}
		}
		before := f.Clone()
		if err := change(f, flag); err != nil {
			return err
		}
		now, err = planOf(f)
		_, already := planOf(before)
		return newFaults(err, already)
	})
	var unusable *config.FileError
	if errors.As(err, &unusable) {
		err = &usageError{err}
	}
	if err != nil {
		return err
	}
	return printEdited(a, path, key, now.settings)
}

// planOf is the plan of a start with nothing but a file.
func planOf(f *config.File) (*plan, error) {
	var o runOptions
	return o.plan(o.flagSet(), config.Sources{File: f, Reloadable: isReloadable})
}

// newFaults are those that were not there already: whoever mends a file does it key
// by key.
func newFaults(err, already error) error {
	var old []string
	for _, fault := range leaves(already) {
		old = append(old, fault.Error())
	}
	fresh := slices.DeleteFunc(leaves(err), func(fault error) bool { return slices.Contains(old, fault.Error()) })
	if len(fresh) == 0 {
		return nil
	}
	return &usageError{errors.Join(fresh...)}
}

// edited is what is printed when a key was changed.
type edited struct {
	Key  string          `json:"key"`
	File string          `json:"file"`
	Now  *config.Setting `json:"now,omitempty"` // without what environment and command line say
}

func printEdited(a *app, path, key string, now *config.Settings) error {
	s, known := now.Get(key)
	if a.json {
		e := edited{Key: key, File: path}
		if known {
			e.Now = &s
		}
		return printJSON(a.out, e)
	}
	text := "is no setting, and is gone"
	if known {
		text = describeEdited(s)
	}
	_, err := fmt.Fprintf(a.out, "%s %s\n", printable(key), text)
	return err
}

func describeEdited(s config.Setting) string {
	text := "is " + printable(s.Text())
	if s.Text() == "" {
		text = "is empty"
	}
	if s.Origin == config.FromDefault {
		text += ", the default"
	}
	if s.Reload {
		return text + "; a node that runs takes it on SIGHUP"
	}
	return text + "; a node that runs takes it when it is restarted"
}
