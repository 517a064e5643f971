package config

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"
)

// Fault says what is wrong with one setting.
type Fault struct {
	Key   string
	Place string // the variable, or the path of the file
	Value string // as it was written; empty for a secret
	Right string // what would be right
	Err   error  // what else is known, may be nil
}

func (e *Fault) Error() string {
	text := e.Place
	if !strings.HasPrefix(e.Place, variablePrefix) {
		text += ": " + strconv.Quote(e.Key)
	}
	if e.Value == "" {
		text += " is wrong"
	} else {
		text += " is " + strconv.Quote(e.Value)
	}
	if e.Right != "" {
		text += ", where " + e.Right + " is right"
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

func (e *Fault) Unwrap() error { return e.Err }

const variablePrefix = "SOUK_"

// rights says what is right for the types of flags that explain themselves badly.
var rights = map[string]string{
	"bool":     "true or false",
	"duration": "a duration like 30s, 5m or 1h30m",
	"float32":  "a number",
	"float64":  "a number",
}

func isNumber(kind string) bool {
	return strings.HasPrefix(kind, "int") && !strings.HasSuffix(kind, "Slice") || isUnsigned(kind) || strings.HasPrefix(kind, "float")
}

func isUnsigned(kind string) bool {
	return strings.HasPrefix(kind, "uint") && !strings.HasSuffix(kind, "Slice")
}

// newFault is a fault of a flag that did not take a value. What the flag's type
// itself has to say is kept unless it is about Go.
func newFault(f *pflag.Flag, place, value string, err error) *Fault {
	e := &Fault{Key: f.Name, Place: place, Value: value}
	kind := f.Value.Type()
	switch right, ok := rights[kind]; {
	case ok:
		e.Right = right
	case isUnsigned(kind):
		e.Right = "a whole number from 0 on"
	case isNumber(kind):
		e.Right = "a whole number"
	default:
		e.Err = err
	}
	if IsSecret(f) {
		e.Value, e.Err = "", nil // The error may quote the value.
	}
	return e
}

// UnknownError says that there is no setting of a name.
type UnknownError struct {
	Key     string
	Place   string // where it was found; empty for the command line
	Nearest string // a key that looks like it, or nothing
}

func (e *UnknownError) Error() string {
	text := fmt.Sprintf("%q is no setting", e.Key)
	if e.Place != "" {
		text = e.Place + ": " + text
	}
	if e.Nearest != "" {
		return text + fmt.Sprintf(": is it %q?", e.Nearest)
	}
	return text + ` ("souk config show" lists them)`
}

// Unknown is the error for a key that no flag has.
func Unknown(flags *pflag.FlagSet, key, place string) *UnknownError {
	var keys []string
	flags.VisitAll(func(f *pflag.Flag) { keys = append(keys, f.Name) })
	return &UnknownError{Key: key, Place: place, Nearest: Nearest(key, keys)}
}

// Strays returns an error for each variable of an environment that looks like that
// of a setting and is none. Others that begin in the same way are not ours to judge:
// what runs containers sets variables that are named after services.
func Strays(environment []string, flags *pflag.FlagSet) []error {
	var names []string
	flags.VisitAll(func(f *pflag.Flag) { names = append(names, Variable(f.Name)[len(variablePrefix):]) })
	var strays []error
	for _, pair := range environment {
		variable, _, _ := strings.Cut(pair, "=")
		name, ours := strings.CutPrefix(variable, variablePrefix)
		if !ours || slices.Contains(names, name) || variable == repoVariable {
			continue
		}
		if nearest := Nearest(name, names); nearest != "" {
			strays = append(strays, fmt.Errorf("%s has no effect: is it %s?", variable, variablePrefix+nearest))
		}
	}
	return strays
}

// repoVariable names the repository, which is no setting.
const repoVariable = variablePrefix + "REPO"

// Nearest returns the name that most looks like text, or nothing when none does.
func Nearest(text string, names []string) string {
	best, least := "", 1+max(1, len(text)/3) // one slip in three letters, as people make them
	for _, name := range names {
		if d := distance(text, name); d < least {
			best, least = name, d
		}
	}
	return best
}

// distance counts the letters to insert, remove or replace to get from a to b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replace := diagonal
			if a[i] != b[j] {
				replace++
			}
			diagonal = row[j+1]
			row[j+1] = min(row[j+1]+1, row[j]+1, replace)
		}
	}
	return row[len(b)]
}

// flagName finds the flags that an error talks about.
var flagName = regexp.MustCompile(`--[a-z][a-z0-9-]*`)

// Explain adds to an error where those settings come from that it names as flags
// and that were not given as such.
func (s *Settings) Explain(err error) error {
	if err == nil {
		return nil
	}
	if many := Joined(err); many != nil {
		explained := make([]error, len(many))
		for i, one := range many {
			explained[i] = s.Explain(one)
		}
		return errors.Join(explained...)
	}
	if from := s.places(err.Error()); len(from) > 0 {
		return fmt.Errorf("%w (%s)", err, strings.Join(from, ", "))
	}
	return err
}

// Joined are the errors that were put into one with [errors.Join], or nothing when
// it has a text of its own.
func Joined(err error) []error {
	many, ok := err.(interface{ Unwrap() []error })
	if !ok || errors.Join(many.Unwrap()...).Error() != err.Error() {
		return nil
	}
	return many.Unwrap()
}

// places says of the flags that a text names where their values come from.
func (s *Settings) places(text string) []string {
	var places []string
	told := map[string]bool{}
	for _, flag := range flagName.FindAllString(text, -1) {
		one, ok := s.Get(flag[2:])
		if ok && one.Place != "" && !told[flag] {
			told[flag] = true
			places = append(places, flag+" comes from "+one.Place)
		}
	}
	return places
}
