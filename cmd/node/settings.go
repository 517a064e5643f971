package main

import (
	"errors"
	"path/filepath"

	"github.com/spf13/pflag"

	"github.com/souk-p2p/souk/cmd/node/internal/config"
	"github.com/souk-p2p/souk/cmd/node/internal/node"
)

// sources are where the flags of run get their values besides the command line.
type sources struct {
	path        string // of the repository's file
	environment func(name string) (value string, ok bool)
}

func (a *app) sources(dir string) sources {
	return sources{path: filepath.Join(dir, config.FileName), environment: a.environment}
}

// read reads the file. One that is broken is as if it were empty, with an error.
func (s sources) read() (config.Sources, error) {
	file, err := config.ReadFile(s.path)
	var unusable *config.FileError
	if errors.As(err, &unusable) {
		err = &usageError{err}
	}
	known := new(runOptions).flagSet()
	return config.Sources{Environment: s.environment, File: file, Reloadable: isReloadable, Known: known}, err
}

// strays are variables that look like those of settings and are none.
func (a *app) strays() []error { return config.Strays(a.variables(), new(runOptions).flagSet()) }

// plan is what a node is run with.
type plan struct {
	options  *runOptions
	settings *config.Settings
	node     node.Config // without a logger
}

// settle finds out what the options are, of which the flags that were given have
// set some, and what they mean. The error names everything that is wrong.
func (o *runOptions) settle(flags *pflag.FlagSet, from sources) (*plan, error) {
	read, broken := from.read()
	p, err := o.plan(flags, read)
	if err := errors.Join(broken, err); err != nil {
		return nil, err
	}
	return p, nil
}

// plan is settle with a file that was read. It returns a plan with an error, too,
// for those who want to know no more than where values come from.
func (o *runOptions) plan(flags *pflag.FlagSet, from config.Sources) (*plan, error) {
	settings, wrong := config.Resolve(flags, from)
	if wrong != nil {
		wrong = &usageError{wrong}
	}
	cfg, err := o.configure(flags)
	return &plan{options: o, settings: settings, node: cfg}, errors.Join(wrong, settings.Explain(err))
}
