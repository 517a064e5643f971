package logs

import (
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// Format is how the lines are written.
type Format string

const (
	Console Format = "console" // for people
	JSON    Format = "json"    // one object a line
)

// ParseFormat reads the name of a format.
func ParseFormat(text string) (Format, error) {
	switch f := Format(text); f {
	case Console, JSON:
		return f, nil
	default:
		return "", fmt.Errorf("%q is not %s or %s", text, Console, JSON)
	}
}

// Logs is the log of a node. Its methods may be called by many goroutines.
type Logs struct {
	out zapcore.WriteSyncer
	now atomic.Pointer[setup]
	mu  sync.Mutex // of who replaces it
}

// setup is what can change.
type setup struct {
	levels  Levels
	least   zapcore.Level
	format  Format
	encoder zapcore.Encoder
}

// New returns a log that is written to w.
func New(w io.Writer, levels Levels, format Format) *Logs {
	l := &Logs{out: zapcore.Lock(zapcore.AddSync(w))}
	l.now.Store(newSetup(levels, format))
	return l
}

func newSetup(levels Levels, format Format) *setup {
	return &setup{levels: levels, least: levels.least(), format: format, encoder: newEncoder(format)}
}

func newEncoder(format Format) zapcore.Encoder {
	if format == JSON {
		cfg := zap.NewProductionEncoderConfig()
		cfg.TimeKey, cfg.EncodeTime = "time", zapcore.RFC3339NanoTimeEncoder
		cfg.EncodeDuration = zapcore.StringDurationEncoder
		return zapcore.NewJSONEncoder(cfg)
	}
	cfg := zap.NewDevelopmentEncoderConfig()
	cfg.EncodeTime = zapcore.RFC3339TimeEncoder
	return zapcore.NewConsoleEncoder(cfg)
}

// Logger returns the logger of which those of the subsystems are made, with Named.
func (l *Logs) Logger() *zap.Logger { return zap.New(&core{logs: l}) }

// Levels are those that are in force.
func (l *Logs) Levels() Levels { return l.now.Load().levels }

// Set replaces levels and format.
func (l *Logs) Set(levels Levels, format Format) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.now.Store(newSetup(levels, format))
}

// Change replaces the levels by what change makes of them, unless that fails.
func (l *Logs) Change(change func(Levels) (Levels, error)) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now.Load()
	levels, err := change(now.levels)
	if err == nil {
		l.now.Store(newSetup(levels, now.format))
	}
	return err
}

// core asks for each entry what is in force: levels and format change below
// loggers that were made long before.
type core struct {
	logs   *Logs
	fields []zapcore.Field
}

func (c *core) Enabled(level zapcore.Level) bool { return level >= c.logs.now.Load().least }

func (c *core) With(fields []zapcore.Field) zapcore.Core {
	return &core{logs: c.logs, fields: slices.Concat(c.fields, fields)}
}

func (c *core) Check(e zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if e.Level >= c.logs.now.Load().levels.Of(e.LoggerName) {
		return checked.AddCore(e, c)
	}
	return checked
}

func (c *core) Write(e zapcore.Entry, fields []zapcore.Field) error {
	line, err := c.logs.now.Load().encoder.EncodeEntry(e, slices.Concat(c.fields, fields))
	if err != nil {
		return err
	}
	defer line.Free()
	_, err = c.logs.out.Write(line.Bytes())
	return err
}

func (c *core) Sync() error { return c.logs.out.Sync() }
