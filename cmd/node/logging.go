package main

import (
	"errors"
	"io"

	"github.com/spf13/pflag"

	"github.com/souk-p2p/souk/cmd/node/internal/logs"
	"github.com/souk-p2p/souk/cmd/node/internal/node"
)

// logOptions say what a node logs.
type logOptions struct {
	logLevels string
	logFormat string

	levels logs.Levels // what configure has made of them
	format logs.Format
}

func (o *logOptions) flags(f *pflag.FlagSet) {
	f.StringVar(&o.logLevels, "log", "warn", "log from this level on: debug, info, warn, error or off; also by subsystem, as warn,network=debug")
	f.StringVar(&o.logFormat, "log-format", string(logs.Console), "write the log for people (console) or as JSON (json)")
}

func (o *logOptions) configure() error {
	var levels, format error
	if o.levels, levels = logs.ParseLevels(o.logLevels); levels != nil {
		levels = usagef("--log %q: %w", o.logLevels, levels)
	}
	if o.format, format = logs.ParseFormat(o.logFormat); format != nil {
		format = usagef("--log-format %w", format)
	}
	return errors.Join(levels, format)
}

// logTo gives a node its log.
func (o *logOptions) logTo(w io.Writer, cfg *node.Config) {
	cfg.Logs = logs.New(w, o.levels, o.format)
	cfg.Log = cfg.Logs.Logger()
}
