package config

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// Origin is where the value of a setting comes from.
type Origin string

const (
	FromDefault     Origin = "default"
	FromFile        Origin = "file"
	FromEnvironment Origin = "environment"
	FromFlag        Origin = "flag"
)

// secretMark is the annotation of a flag whose value is printed nowhere.
const secretMark = "souk-secret"

// MarkSecret says of a flag that nobody is to see its value. It panics when there
// is no such flag.
func MarkSecret(flags *pflag.FlagSet, key string) {
	if err := flags.SetAnnotation(key, secretMark, []string{"true"}); err != nil {
		panic(err)
	}
}

func IsSecret(f *pflag.Flag) bool { return len(f.Annotations[secretMark]) > 0 }

// Sources are where values come from besides the command line.
type Sources struct {
	Environment func(name string) (value string, ok bool) // as os.LookupEnv; nil is an empty one
	File        *File                                     // nil is an empty one
	Reloadable  func(key string) bool                     // nil is never
	Known       *pflag.FlagSet                            // those that the file may name; nil is those that are resolved
}

// Setting is a value and where it comes from.
type Setting struct {
	Key    string `json:"key"`
	Value  any    `json:"value"` // bool, json.Number, string or []string; nil for a secret
	Origin Origin `json:"origin"`
	Place  string `json:"place,omitempty"` // the variable, or the path of the file
	Secret bool   `json:"secret,omitempty"`
	Reload bool   `json:"reload"` // whether it can change while the node runs

	texts []string
}

// Text is the value for people: with commas between those of a list, and nothing
// of a secret but that there is one.
func (s *Setting) Text() string {
	switch v := s.Value.(type) {
	case []string:
		return strings.Join(v, ",")
	case nil:
		if s.Origin == FromDefault {
			return ""
		}
		return "(secret)"
	default:
		return fmt.Sprint(v)
	}
}

// UnmarshalJSON implements [json.Unmarshaler]. It keeps numbers as they are
// written.
func (s *Setting) UnmarshalJSON(raw []byte) error {
	type plain Setting
	in := json.NewDecoder(bytes.NewReader(raw))
	in.UseNumber()
	if err := in.Decode((*plain)(s)); err != nil {
		return err
	}
	if items, ok := s.Value.([]any); ok {
		texts := make([]string, len(items))
		for i, item := range items {
			texts[i], _ = scalar(item)
		}
		s.Value = texts
	}
	return nil
}

// Settings are all settings of a node, ordered by key.
type Settings struct{ all []Setting }

// Resolve gives those flags a value that were not set on the command line, and
// returns what all are then. Flags with a value of the environment or the file
// count as changed. The error has a [*Fault] for everything that is wrong in the
// sources, and what is not wrong is set in spite of it.
func Resolve(flags *pflag.FlagSet, from Sources) (*Settings, error) {
	var s Settings
	known := cmp.Or(from.Known, flags)
	faults := append(from.File.unknown(known), from.File.exposed(known))
	flags.VisitAll(func(f *pflag.Flag) {
		one, err := from.resolve(f)
		s.all = append(s.all, one)
		faults = append(faults, err)
	})
	slices.SortFunc(s.all, func(a, b Setting) int { return strings.Compare(a.Key, b.Key) })
	return &s, errors.Join(faults...)
}

// resolve sets one flag from the first source that has a value for it.
func (from Sources) resolve(f *pflag.Flag) (Setting, error) {
	origin, place := FromFlag, ""
	var err error
	if !f.Changed {
		origin, place, err = from.assign(f)
	}
	s := Setting{Key: f.Name, Origin: origin, Place: place, Secret: IsSecret(f), texts: textsOf(f)}
	s.Reload = from.Reloadable != nil && from.Reloadable(f.Name)
	if !s.Secret {
		s.Value = valueOf(f, s.texts)
	}
	return s, err
}

func (from Sources) assign(f *pflag.Flag) (Origin, string, error) {
	if from.Environment != nil {
		name := Variable(f.Name)
		if text, _ := from.Environment(name); text != "" {
			return FromEnvironment, name, set(f, name, text)
		}
	}
	if raw, ok := from.File.raw(f.Name); ok {
		return FromFile, from.File.path, setJSON(f, from.File.path, raw)
	}
	return FromDefault, "", nil
}

// Variable is the name of the environment variable of a setting.
func Variable(key string) string {
	return variablePrefix + strings.ToUpper(strings.ReplaceAll(key, "-", "_"))
}

// set gives a flag the value that a text stands for.
func set(f *pflag.Flag, place, text string) error {
	if _, ok := f.Value.(pflag.SliceValue); !ok {
		return setTexts(f, place, []string{text})
	}
	texts, err := splitList(text)
	if err != nil {
		return newFault(f, place, text, err)
	}
	return setTexts(f, place, texts)
}

// setTexts leaves a flag as it was when it does not take the texts.
func setTexts(f *pflag.Flag, place string, texts []string) error {
	before := textsOf(f)
	if err := replace(f, texts); err != nil {
		_ = replace(f, before) // Numbers are 0 after a failure. What it was before it takes.
		return newFault(f, place, strings.Join(texts, ","), err)
	}
	f.Changed = true
	return nil
}

func replace(f *pflag.Flag, texts []string) error {
	if list, ok := f.Value.(pflag.SliceValue); ok {
		return list.Replace(texts)
	}
	return f.Value.Set(texts[0])
}

// splitList reads values with commas in between; one that has a comma itself is
// put in quotes, as in the flag of a list.
func splitList(text string) ([]string, error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	r := csv.NewReader(strings.NewReader(text))
	r.TrimLeadingSpace = true
	values, err := r.Read()
	if err != nil {
		return nil, err
	}
	for i := range values {
		values[i] = strings.TrimSpace(values[i])
	}
	return slices.DeleteFunc(values, func(v string) bool { return v == "" }), nil
}

// textsOf are the values of a flag as its Set takes them: one, or those of a list.
func textsOf(f *pflag.Flag) []string {
	if list, ok := f.Value.(pflag.SliceValue); ok {
		return list.GetSlice()
	}
	return []string{f.Value.String()}
}

// valueOf is what stands for the texts of a flag in JSON.
func valueOf(f *pflag.Flag, texts []string) any {
	if _, ok := f.Value.(pflag.SliceValue); ok {
		return append([]string{}, texts...)
	}
	switch kind := f.Value.Type(); {
	case kind == "bool":
		return texts[0] == "true"
	case isNumber(kind):
		return json.Number(texts[0])
	default:
		return texts[0]
	}
}

// All are the settings, ordered by key.
func (s *Settings) All() []Setting { return slices.Clone(s.all) }

// Get returns the setting of a key.
func (s *Settings) Get(key string) (Setting, bool) {
	i, ok := s.find(key)
	if !ok {
		return Setting{}, false
	}
	return s.all[i], true
}

func (s *Settings) find(key string) (int, bool) {
	return slices.BinarySearchFunc(s.all, key, func(a Setting, key string) int { return strings.Compare(a.Key, key) })
}

// Changes returns the keys whose values differ in next, in order. A value that only
// comes from elsewhere has not changed.
func (s *Settings) Changes(next *Settings) []string {
	var keys []string
	for _, now := range s.all {
		if then, ok := next.Get(now.Key); ok && !slices.Equal(now.texts, then.texts) {
			keys = append(keys, now.Key)
		}
	}
	return keys
}

// With returns these settings with those of the keys as they are in next.
func (s *Settings) With(next *Settings, keys ...string) *Settings {
	all := s.All()
	for i := range all {
		if then, ok := next.Get(all[i].Key); ok && slices.Contains(keys, all[i].Key) {
			all[i] = then
		}
	}
	return &Settings{all}
}

// Carry sets the flags that these settings have from the command line to the same
// values.
func (s *Settings) Carry(flags *pflag.FlagSet) error {
	var faults []error
	for _, one := range s.all {
		if f := flags.Lookup(one.Key); f != nil && one.Origin == FromFlag {
			faults = append(faults, setTexts(f, "--"+one.Key, one.texts))
		}
	}
	return errors.Join(faults...)
}
