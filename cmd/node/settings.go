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

// resolve reads the file and gives the flags their values. What is wrong in the
// file or the environment is in the error, and the rest is set.
func (s sources) resolve(flags *pflag.FlagSet) (*config.Settings, error) {
	file, broken := config.ReadFile(s.path)
	settings, err := config.Resolve(flags, config.Sources{Environment: s.environment, File: file})
	var unusable *config.FileError
	if errors.As(broken, &unusable) {
		broken = &usageError{broken}
	}
	if err != nil {
		err = &usageError{err}
	}
	return settings, errors.Join(broken, err)
}

// plan is what a node is run with.
type plan struct {
	options  *runOptions
	settings *config.Settings
	node     node.Config // without a logger
}

// settle finds out what the options are, of which the flags that were given have
// set some, and what they mean. The error names everything that is wrong.
func (o *runOptions) settle(flags *pflag.FlagSet, from sources) (*plan, error) {
	settings, wrong := from.resolve(flags)
	cfg, err := o.configure(flags)
	if err := errors.Join(wrong, settings.Explain(err)); err != nil {
		return nil, err
	}
	return &plan{options: o, settings: settings, node: cfg}, nil
}
