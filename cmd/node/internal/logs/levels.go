package logs

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.uber.org/zap/zapcore"
)

// Off is a level that nothing has.
const Off = zapcore.FatalLevel + 1

// libp2p is the subsystem of the library, which is silent unless it is named: it
// says much about peers that matters to nobody but its authors.
const libp2p = "libp2p"

// Usual stands for all subsystems that have no level of their own.
const Usual = ""

// Levels are the level of each subsystem. They are never changed, only replaced.
type Levels struct {
	usual zapcore.Level
	own   map[string]zapcore.Level
}

// ParseLevels reads a level, or several with commas in between, each but one after
// the name of its subsystem: "warn,network=debug". Without a level for all it is
// warn.
func ParseLevels(text string) (Levels, error) {
	l := Levels{usual: zapcore.WarnLevel, own: map[string]zapcore.Level{}}
	given := map[string]bool{}
	for part := range strings.SplitSeq(text, ",") {
		name, level, one := strings.Cut(strings.TrimSpace(part), "=")
		if !one {
			name, level = Usual, name
		}
		switch {
		case given[name] && name == Usual:
			return l, errors.New("two levels are for all subsystems")
		case given[name]:
			return l, fmt.Errorf("%q is there twice", name)
		}
		given[name] = true
		var err error
		if l, err = l.With(name, level); err != nil {
			return l, err
		}
	}
	return l, nil
}

// With returns levels in which a subsystem, or [Usual], has another level.
func (l Levels) With(subsystem, level string) (Levels, error) {
	parsed, err := parseLevel(level)
	if err != nil {
		return l, err
	}
	if subsystem == Usual {
		return Levels{usual: parsed, own: l.own}, nil
	}
	if err := checkSubsystem(subsystem); err != nil {
		return l, err
	}
	own := map[string]zapcore.Level{subsystem: parsed}
	for name, level := range l.own {
		if name != subsystem {
			own[name] = level
		}
	}
	return Levels{usual: l.usual, own: own}, nil
}

// Only returns levels in which all subsystems have the usual one.
func (l Levels) Only() Levels { return Levels{usual: l.usual, own: map[string]zapcore.Level{}} }

// LevelError says that a text is the name of no level.
type LevelError struct{ Level string }

func (e *LevelError) Error() string {
	return fmt.Sprintf("%q is not debug, info, warn, error or off", e.Level)
}

func parseLevel(text string) (zapcore.Level, error) {
	switch text {
	case "debug":
		return zapcore.DebugLevel, nil
	case "info":
		return zapcore.InfoLevel, nil
	case "warn":
		return zapcore.WarnLevel, nil
	case "error":
		return zapcore.ErrorLevel, nil
	case "off":
		return Off, nil
	default:
		return 0, &LevelError{Level: text}
	}
}

// Of is the level from which on a subsystem is heard.
func (l Levels) Of(subsystem string) zapcore.Level {
	for name := subsystem; name != ""; name = parent(name) {
		if level, ok := l.own[name]; ok {
			return level
		}
		if name == libp2p {
			return Off
		}
	}
	return l.usual
}

func parent(name string) string {
	return name[:max(0, strings.LastIndexByte(name, '.'))]
}

// least is the level below which nothing is heard.
func (l Levels) least() zapcore.Level {
	least := l.usual
	for _, level := range l.own {
		least = min(least, level)
	}
	return least
}

// String is what [ParseLevels] reads.
func (l Levels) String() string {
	parts := []string{levelName(l.usual)}
	for _, name := range slices.Sorted(maps.Keys(l.own)) {
		parts = append(parts, name+"="+levelName(l.own[name]))
	}
	return strings.Join(parts, ",")
}

func levelName(l zapcore.Level) string {
	if l == Off {
		return "off"
	}
	return l.String()
}
