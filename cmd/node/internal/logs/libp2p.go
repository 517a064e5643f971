package logs

import (
	"context"
	"log/slog"
	"sync/atomic"

	"github.com/libp2p/go-libp2p/gologshim"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// taker is the log that takes what libp2p says, if there is one. It is the
// process's, because libp2p's is.
var taker atomic.Pointer[zap.Logger]

// CaptureLibp2p has libp2p say nothing but what a log takes. It is called before
// libp2p logs for the first time.
func CaptureLibp2p() { gologshim.SetDefaultHandler(&handler{}) }

// TakeLibp2p makes this the log that takes what libp2p says, in place of another,
// until release is called.
func (l *Logs) TakeLibp2p() (release func()) {
	logger := l.Logger()
	taker.Store(logger)
	return func() { taker.CompareAndSwap(logger, nil) }
}

// handler gives what libp2p says to who takes it at that moment.
type handler struct {
	system string // of libp2p, as swarm2
	group  string // before the names of attributes
	fields []zap.Field
}

// systemKey is the attribute in which libp2p says which part of it speaks.
const systemKey = "logger"

// Enabled implements [slog.Handler].
func (h *handler) Enabled(_ context.Context, level slog.Level) bool {
	log := taker.Load()
	return log != nil && log.Core().Enabled(zapLevel(level))
}

// Handle implements [slog.Handler].
func (h *handler) Handle(_ context.Context, r slog.Record) error {
	log := taker.Load()
	if log == nil {
		return nil
	}
	name := libp2p
	if h.system != "" {
		name += "." + h.system
	}
	checked := log.Named(name).Check(zapLevel(r.Level), r.Message)
	if checked == nil {
		return nil
	}
	if !r.Time.IsZero() {
		checked.Time = r.Time
	}
	fields := h.fields[:len(h.fields):len(h.fields)]
	r.Attrs(func(a slog.Attr) bool {
		fields = append(fields, h.field(a))
		return true
	})
	checked.Write(fields...)
	return nil
}

// WithAttrs implements [slog.Handler].
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	next := *h
	next.fields = h.fields[:len(h.fields):len(h.fields)]
	for _, a := range attrs {
		if a.Key == systemKey && h.group == "" {
			next.system = a.Value.String()
			continue
		}
		next.fields = append(next.fields, h.field(a))
	}
	return &next
}

// WithGroup implements [slog.Handler].
func (h *handler) WithGroup(name string) slog.Handler {
	next := *h
	next.group += name + "."
	return &next
}

func (h *handler) field(a slog.Attr) zap.Field {
	return zap.String(h.group+a.Key, a.Value.Resolve().String())
}

func zapLevel(l slog.Level) zapcore.Level {
	switch {
	case l >= slog.LevelError:
		return zapcore.ErrorLevel
	case l >= slog.LevelWarn:
		return zapcore.WarnLevel
	case l >= slog.LevelInfo:
		return zapcore.InfoLevel
	default:
		return zapcore.DebugLevel
	}
}
