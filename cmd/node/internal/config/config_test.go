package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
)

// options have a flag of each kind.
type options struct {
	listen  []string
	names   []string
	memory  uint
	rate    float64
	patient time.Duration
	tracker bool
	log     string
	token   string
}

func (o *options) flags() *pflag.FlagSet {
	f := pflag.NewFlagSet("test", pflag.ContinueOnError)
	f.StringArrayVar(&o.listen, "listen", []string{"a", "b"}, "")
	f.StringSliceVar(&o.names, "names", nil, "")
	f.UintVar(&o.memory, "memory", 512, "")
	f.Float64Var(&o.rate, "rate", 0, "")
	f.DurationVar(&o.patient, "patient", time.Minute, "")
	f.BoolVar(&o.tracker, "tracker", false, "")
	f.StringVar(&o.log, "log", "warn", "")
	f.StringVar(&o.token, "token", "", "")
	MarkSecret(f, "token")
	return f
}

func environment(pairs ...string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1], true
			}
		}
		return "", false
	}
}

func written(t *testing.T, content string) *File {
	t.Helper()
	f, err := ReadFile(write(t, content))
	require.NoError(t, err)
	return f
}

func write(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), FileName)
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

func TestTheCommandLineComesBeforeTheEnvironmentAndThatBeforeTheFile(t *testing.T) {
	var o options
	flags := o.flags()
	require.NoError(t, flags.Parse([]string{"--log", "flag"}))
	file := written(t, `{"log": "file", "memory": 1, "rate": 1.5, "names": ["x", "y,z"]}`)
	s, err := Resolve(flags, Sources{File: file, Environment: environment(
		"SOUK_LOG", "environment", "SOUK_MEMORY", "2", "SOUK_PATIENT", "", "SOUK_LISTEN", `c, "d,e"`)})
	require.NoError(t, err)

	require.Equal(t, options{
		log: "flag", memory: 2, rate: 1.5, names: []string{"x", "y,z"}, listen: []string{"c", "d,e"}, patient: time.Minute,
	}, o)
	for key, want := range map[string]struct {
		origin Origin
		place  string
		value  any
	}{
		"log":     {FromFlag, "", "flag"},
		"memory":  {FromEnvironment, "SOUK_MEMORY", json.Number("2")},
		"rate":    {FromFile, file.Path(), json.Number("1.5")},
		"patient": {FromDefault, "", "1m0s"},
		"listen":  {FromEnvironment, "SOUK_LISTEN", []string{"c", "d,e"}},
		"tracker": {FromDefault, "", false},
	} {
		one, ok := s.Get(key)
		require.True(t, ok)
		require.Equal(t, want.origin, one.Origin, key)
		require.Equal(t, want.place, one.Place, key)
		require.Equal(t, want.value, one.Value, key)
	}
	require.True(t, flags.Changed("rate"), "what a file sets was set")
	require.False(t, flags.Changed("patient"))
}

func TestTheFileTakesEachValueAsTextAndAsWhatItIs(t *testing.T) {
	for _, content := range []string{
		`{"memory": 64, "tracker": true, "rate": 2.5, "names": ["a", "b"], "patient": "5m"}`,
		`{"memory": "64", "tracker": "true", "rate": "2.5", "names": "a,b", "patient": "5m"}`,
	} {
		var o options
		_, err := Resolve(o.flags(), Sources{File: written(t, content)})
		require.NoError(t, err)
		require.Equal(t, options{
			memory: 64, tracker: true, rate: 2.5, names: []string{"a", "b"}, patient: 5 * time.Minute, listen: []string{"a", "b"}, log: "warn",
		}, o)
	}
}

func TestAListCanBeEmpty(t *testing.T) {
	for _, content := range []string{`{"listen": []}`, `{"listen": ""}`} {
		var o options
		_, err := Resolve(o.flags(), Sources{File: written(t, content)})
		require.NoError(t, err)
		require.Empty(t, o.listen)
	}
}

func TestEveryFaultIsNamedWithItsPlaceAndWhatIsRight(t *testing.T) {
	var o options
	file := written(t, `{"memory": "lots", "listne": 1, "tracker": {"a": 1}, "names": [["x"]], "patient": null, "rate": 2}`)
	_, err := Resolve(o.flags(), Sources{File: file, Environment: environment("SOUK_RATE", "fast", "SOUK_NAMES", `a"b`)})
	p := file.Path()
	require.ErrorContains(t, err, p+`: "listne" is no setting: is it "listen"?`)
	require.ErrorContains(t, err, p+`: "memory" is "lots", where a whole number from 0 on is right`)
	require.ErrorContains(t, err, p+`: "tracker" is "{\"a\": 1}", where true or false is right`)
	require.ErrorContains(t, err, p+`: "patient" is "null", where a duration like 30s, 5m or 1h30m is right`)
	require.ErrorContains(t, err, `SOUK_RATE is "fast", where a number is right`)
	require.ErrorContains(t, err, `SOUK_NAMES is "a\"b"`)
	var fault *Fault
	require.ErrorAs(t, err, &fault)
	require.Equal(t, options{memory: 512, patient: time.Minute, listen: []string{"a", "b"}, log: "warn"}, o, "what is wrong sets nothing")

	_, err = Resolve(new(options).flags(), Sources{File: written(t, `{"names": [["x"]]}`)})
	require.ErrorContains(t, err, "where a list of strings is right")
	_, err = Resolve(new(options).flags(), Sources{File: written(t, `{"log": ["x"]}`)})
	require.ErrorContains(t, err, "where a string is right")
	_, err = Resolve(new(options).flags(), Sources{File: written(t, `{"bandwidth": 1}`)})
	require.ErrorContains(t, err, `"bandwidth" is no setting ("souk config show" lists them)`)
}

func TestACommandWithFewerFlagsTakesOnlyThose(t *testing.T) {
	file := written(t, `{"log": "info", "memory": "lots", "listne": []}`)
	var log string
	flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
	flags.StringVar(&log, "log", "warn", "")
	_, err := Resolve(flags, Sources{File: file, Known: new(options).flags()})
	require.EqualError(t, err, file.Path()+`: "listne" is no setting: is it "listen"?`, "what is none of its own is another's to check")
	require.Equal(t, "info", log)
}

func TestASecretIsNeverShown(t *testing.T) {
	const secret = "hunter2"
	flags := new(options).flags()
	s, err := Resolve(flags, Sources{Environment: environment("SOUK_TOKEN", secret)})
	require.NoError(t, err)
	one, _ := s.Get("token")
	require.Nil(t, one.Value)
	require.Equal(t, "(secret)", one.Text())
	asJSON, err := json.Marshal(one)
	require.NoError(t, err)
	require.NotContains(t, string(asJSON), secret)

	_, err = Resolve(new(options).flags(), Sources{File: written(t, `{"token": ["`+secret+`"]}`)})
	require.ErrorContains(t, err, `"token"`)
	require.NotContains(t, err.Error(), secret)

	f := newFault(flags.Lookup("token"), "SOUK_TOKEN", secret, errors.New(secret))
	require.NotContains(t, f.Error(), secret)
}

func TestAFileWithASecretThatOthersMayReadIsRefused(t *testing.T) {
	path := write(t, `{"token": "hunter2", "log": "info"}`)
	require.NoError(t, os.Chmod(path, 0o640))
	f, err := ReadFile(path)
	require.NoError(t, err)
	_, err = Resolve(new(options).flags(), Sources{File: f})
	require.ErrorContains(t, err, "chmod 600 "+path)

	path = write(t, `{"log": "info"}`)
	require.NoError(t, os.Chmod(path, 0o644))
	f, err = ReadFile(path)
	require.NoError(t, err)
	_, err = Resolve(new(options).flags(), Sources{File: f})
	require.NoError(t, err, "without a secret everybody may read it")
}

func TestChangesAreOfValuesAndNotOfOrigins(t *testing.T) {
	resolve := func(content string, args ...string) *Settings {
		flags := new(options).flags()
		require.NoError(t, flags.Parse(args))
		s, err := Resolve(flags, Sources{File: written(t, content)})
		require.NoError(t, err)
		return s
	}
	before := resolve(`{"log": "info"}`)
	after := resolve(`{"log": "debug", "memory": 512, "listen": ["a"]}`)
	require.Equal(t, []string{"listen", "log"}, before.Changes(after))
	require.Equal(t, []string{"listen"}, before.With(after, "log").Changes(after))
	require.Empty(t, resolve(`{}`, "--log", "info").Changes(before))
}

func TestWhatTheCommandLineSetIsCarriedOver(t *testing.T) {
	flags := new(options).flags()
	require.NoError(t, flags.Parse([]string{"--names=a", "--names=b", "--listen=x,y", "--memory=3", "--patient=2s", "--tracker"}))
	s, err := Resolve(flags, Sources{File: written(t, `{"rate": 3}`)})
	require.NoError(t, err)
	var o options
	fresh := o.flags()
	require.NoError(t, s.Carry(fresh))
	require.Equal(t, options{
		names: []string{"a", "b"}, listen: []string{"x,y"}, memory: 3, patient: 2 * time.Second, tracker: true, log: "warn",
	}, o)
	require.True(t, fresh.Changed("memory"))
	require.False(t, fresh.Changed("rate"), "it was not on the command line")
}

func TestAnErrorAboutFlagsSaysWhereTheirValuesComeFrom(t *testing.T) {
	flags := new(options).flags()
	require.NoError(t, flags.Parse([]string{"--memory", "0"}))
	s, err := Resolve(flags, Sources{Environment: environment("SOUK_LOG", "loud", "SOUK_NAMES", "x")})
	require.NoError(t, err)
	loud := errors.New(`--log "loud" is none: see --log, --names and --memory`)
	err = s.Explain(errors.Join(loud, errors.New("--memory 0")))
	require.EqualError(t, err, loud.Error()+" (--log comes from SOUK_LOG, --names comes from SOUK_NAMES)\n--memory 0")
	require.ErrorIs(t, err, loud)
	require.NoError(t, s.Explain(nil))
	both := fmt.Errorf("--log: %w and %w", errors.New("a"), errors.New("b"))
	require.EqualError(t, s.Explain(both), "--log: a and b (--log comes from SOUK_LOG)", "it is not taken apart")
}

func TestASettingComesBackFromJSONAsItWas(t *testing.T) {
	s, err := Resolve(new(options).flags(), Sources{
		File:       written(t, `{"memory": 18446744073709551615, "names": ["a", "b"], "token": "x", "tracker": true}`),
		Reloadable: func(key string) bool { return key == "names" },
	})
	require.NoError(t, err)
	for _, one := range s.All() {
		raw, err := json.Marshal(one)
		require.NoError(t, err)
		var back Setting
		require.NoError(t, json.Unmarshal(raw, &back))
		require.Equal(t, one.Text(), back.Text())
		one.texts = nil
		require.Equal(t, one, back)
		require.Equal(t, one.Key == "names", one.Reload)
	}
	var broken Setting
	require.Error(t, json.Unmarshal([]byte(`{"key": 1}`), &broken))
}

func TestAVariableThatIsMisspeltIsFound(t *testing.T) {
	strays := Strays([]string{
		"SOUK_MEMROY=3", "SOUK_MEMORY=4", "SOUK_REPO=/x", "SOUK_PORT=tcp://10.0.0.1:4101", "SOUK_SERVICE_HOST=10.0.0.1", "HOME=/", "LOG=x", "SOUK_=",
	}, new(options).flags())
	require.Len(t, strays, 1)
	require.EqualError(t, strays[0], "SOUK_MEMROY has no effect: is it SOUK_MEMORY?")
}

func TestTheNearestNameIsOneThatLooksLikeIt(t *testing.T) {
	names := []string{"listen", "log", "log-format", "tracker", "trackers"}
	for text, want := range map[string]string{
		"listne": "listen", "logs": "log", "logformat": "log-format", "tracekr": "tracker", "bandwidth": "", "": "",
	} {
		require.Equal(t, want, Nearest(text, names), text)
	}
}
