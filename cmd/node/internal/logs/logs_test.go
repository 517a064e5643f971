package logs

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"

	"github.com/libp2p/go-libp2p/gologshim"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

func levels(t *testing.T, text string) Levels {
	t.Helper()
	l, err := ParseLevels(text)
	require.NoError(t, err)
	return l
}

func TestASubsystemHasItsOwnLevelOrThatOfTheOneAbove(t *testing.T) {
	l := levels(t, "info, exchange=error,exchange.engine=debug,network=off")
	for name, want := range map[string]zapcore.Level{
		"":                 zapcore.InfoLevel,
		"control":          zapcore.InfoLevel,
		"exchange":         zapcore.ErrorLevel,
		"exchange.wants":   zapcore.ErrorLevel,
		"exchange.engine":  zapcore.DebugLevel,
		"exchange.engine.": zapcore.DebugLevel,
		"exchanges":        zapcore.InfoLevel,
		"network":          Off,
		"libp2p":           Off,
		"libp2p.swarm2":    Off,
	} {
		require.Equal(t, want, l.Of(name), name)
	}
	require.Equal(t, "info,exchange=error,exchange.engine=debug,network=off", l.String())
	require.Equal(t, l, levels(t, l.String()))
	require.Equal(t, "info", l.Only().String())
	require.Equal(t, zapcore.WarnLevel, levels(t, "network=debug").Of("control"), "unless it is said")

	l = levels(t, "debug,libp2p=warn,libp2p.swarm2=debug")
	require.Equal(t, zapcore.WarnLevel, l.Of("libp2p.ping"))
	require.Equal(t, zapcore.DebugLevel, l.Of("libp2p.swarm2"))
}

func TestWrongLevelsAreNamed(t *testing.T) {
	for text, says := range map[string]string{
		"loud":                       `"loud" is not debug, info, warn, error or off`,
		"":                           `"" is not debug`,
		"warn,":                      "two levels are for all subsystems",
		"fatal":                      `"fatal" is not debug`,
		"netwrok=debug":              `"netwrok" is no subsystem: is it "network"?`,
		"bitcoin=debug":              "exchange.engine",
		"network=":                   `"" is not debug`,
		"=debug,=info":               "two levels",
		"network=info,network=debug": `"network" is there twice`,
		"warn,info":                  "two levels",
	} {
		_, err := ParseLevels(text)
		require.ErrorContains(t, err, says, text)
	}
	_, err := ParseFormat("xml")
	require.EqualError(t, err, `"xml" is not console or json`)
}

func TestLevelsAndFormatChangeUnderLoggersThatWereMadeBefore(t *testing.T) {
	var out bytes.Buffer
	l := New(&out, levels(t, "warn"), Console)
	engine := l.Logger().Named("exchange").Named("engine").With(zap.String("peer", "Q"))
	network := l.Logger().Named("network")

	engine.Info("not heard")
	require.Empty(t, out.String())
	require.NoError(t, l.Change(func(now Levels) (Levels, error) { return now.With("exchange", "debug") }))
	engine.Debug("heard")
	network.Info("not heard")
	require.Equal(t, 1, strings.Count(out.String(), "\n"))
	require.Contains(t, out.String(), "exchange.engine\theard\t{\"peer\": \"Q\"}")

	out.Reset()
	l.Set(levels(t, "error"), JSON)
	engine.Warn("not heard")
	engine.Error("heard", zap.Int("wants", 3))
	var line map[string]any
	require.NoError(t, json.Unmarshal(out.Bytes(), &line))
	require.Contains(t, line, "time")
	delete(line, "time")
	require.Equal(t, map[string]any{"level": "error", "logger": "exchange.engine", "msg": "heard", "peer": "Q", "wants": 3.0}, line)

	require.Error(t, l.Change(func(now Levels) (Levels, error) { return now.With("network", "loud") }))
	require.Equal(t, "error", l.Levels().String())
}

func TestTheSubsystemsAreListedWithTheirLevels(t *testing.T) {
	all := levels(t, "info,exchange=debug,libp2p.ping=error").Subsystems()
	found := map[string]string{}
	for _, s := range all {
		found[s.Name] = s.Level
	}
	require.Equal(t, "debug", found["exchange.wants"])
	require.Equal(t, "info", found["control"])
	require.Equal(t, "off", found["libp2p"])
	require.Equal(t, "error", found["libp2p.ping"])
	require.Len(t, all, len(Names())+1)
}

func TestLibp2pIsHeardWhenItIsAskedFor(t *testing.T) {
	CaptureLibp2p()
	var out bytes.Buffer
	l := New(&out, levels(t, "debug"), JSON)
	swarm := gologshim.Logger("swarm2")
	swarm.Error("nobody takes it")
	release := l.TakeLibp2p()
	swarm.Error("not asked for")
	require.Empty(t, out.String())

	l.Set(levels(t, "error,libp2p.swarm2=info"), JSON)
	swarm.Debug("below")
	gologshim.Logger("ping").Error("another part")
	swarm.With("conn", 7).WithGroup("dial").Warn("slow", slog.String("peer", "Q"))
	var line map[string]any
	require.NoError(t, json.Unmarshal(out.Bytes(), &line), out.String())
	delete(line, "time")
	require.Equal(t, map[string]any{"level": "warn", "logger": "libp2p.swarm2", "msg": "slow", "conn": "7", "dial.peer": "Q"}, line)

	var other bytes.Buffer
	New(&other, levels(t, "error,libp2p=info"), JSON).TakeLibp2p()
	release() // of one that has been replaced
	swarm.Warn("to the other")
	require.Contains(t, other.String(), "to the other")
	taker.Store(nil)
}
