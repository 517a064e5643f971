package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"

	"github.com/souk-p2p/souk/cmd/node/internal/repo"
)

// FileName is the name of the file in a repository.
const FileName = "config"

// maxFile is far more than all settings together take, with thousands of peers.
const maxFile = 1 << 20

// File is what the file of a repository says. A nil File is an empty one.
type File struct {
	path   string
	keys   []string // in the order of the file
	values map[string]json.RawMessage
	mode   fs.FileMode
}

// FileError says that the file cannot be read as what it is to be: one JSON object.
type FileError struct {
	Path string
	Err  error
}

func (e *FileError) Error() string {
	return fmt.Sprintf("%s is not one JSON object with a key for each setting: %v", e.Path, e.Err)
}

func (e *FileError) Unwrap() error { return e.Err }

// ReadFile reads the file at path. One that does not exist is empty.
func ReadFile(path string) (*File, error) {
	f := &File{path: path, values: map[string]json.RawMessage{}}
	content, mode, err := readBounded(path)
	f.mode = mode
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return f, nil
	case err != nil:
		return nil, fmt.Errorf("read the settings: %w", err)
	}
	if err := f.parse(content); err != nil {
		return nil, &FileError{Path: path, Err: err}
	}
	return f, nil
}

func readBounded(path string) ([]byte, fs.FileMode, error) {
	info, err := os.Stat(path) // before it is opened, because a pipe would wait
	if err != nil {
		return nil, 0, err
	}
	if !info.Mode().IsRegular() {
		return nil, 0, fmt.Errorf("%s is no regular file", path)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if len(content) > maxFile {
		return nil, 0, fmt.Errorf("%s has more than %d bytes", path, maxFile)
	}
	return content, info.Mode(), err
}

// parse reads an object key by key, because one that is there twice is a mistake
// that would otherwise go unnoticed.
func (f *File) parse(content []byte) error {
	in := json.NewDecoder(bytes.NewReader(content))
	if start, err := in.Token(); err != nil || start != json.Delim('{') {
		return at(content, in.InputOffset(), cmpErr(err, errors.New("it does not begin with {")))
	}
	for in.More() {
		if err := f.parseOne(in); err != nil {
			return at(content, in.InputOffset(), err)
		}
	}
	if _, err := in.Token(); err != nil {
		return at(content, in.InputOffset(), err)
	}
	if _, err := in.Token(); !errors.Is(err, io.EOF) {
		return at(content, in.InputOffset(), errors.New("something follows the object"))
	}
	return nil
}

func (f *File) parseOne(in *json.Decoder) error {
	token, err := in.Token()
	if err != nil {
		return err
	}
	key := token.(string) // the decoder allows nothing else here
	var raw json.RawMessage
	if err := in.Decode(&raw); err != nil {
		return err
	}
	if _, twice := f.values[key]; twice {
		return fmt.Errorf("%q is there twice", key)
	}
	f.put(key, raw)
	return nil
}

func cmpErr(err, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}

// at adds the line in which a file went wrong.
func at(content []byte, offset int64, err error) error {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		offset = syntax.Offset
	}
	line := 1 + bytes.Count(content[:min(offset, int64(len(content)))], []byte("\n"))
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = errors.New("it ends too early")
	}
	return fmt.Errorf("line %d: %w", line, err)
}

func (f *File) put(key string, raw json.RawMessage) {
	if _, ok := f.values[key]; !ok {
		f.keys = append(f.keys, key)
	}
	f.values[key] = raw
}

func (f *File) raw(key string) (json.RawMessage, bool) {
	if f == nil {
		return nil, false
	}
	raw, ok := f.values[key]
	return raw, ok
}

// unknown returns an error for each key that is no flag's.
func (f *File) unknown(flags *pflag.FlagSet) []error {
	if f == nil {
		return nil
	}
	var faults []error
	for _, key := range f.keys {
		if flags.Lookup(key) == nil {
			faults = append(faults, Unknown(flags, key, f.path))
		}
	}
	return faults
}

// exposed returns an error when others than the owner may read a secret in the file.
func (f *File) exposed(flags *pflag.FlagSet) error {
	if f == nil || f.mode.Perm()&0o077 == 0 {
		return nil
	}
	for _, key := range f.keys {
		if flag := flags.Lookup(key); flag != nil && IsSecret(flag) {
			return fmt.Errorf("%s has mode %04o, so others may read %q in it: run chmod 600 %s", f.path, f.mode.Perm(), key, f.path)
		}
	}
	return nil
}

// setJSON gives a flag the value that stands in the file.
func setJSON(f *pflag.Flag, path string, raw json.RawMessage) error {
	in := json.NewDecoder(bytes.NewReader(raw))
	in.UseNumber()
	var value any
	if err := in.Decode(&value); err != nil {
		return newFault(f, path, string(raw), err)
	}
	_, list := f.Value.(pflag.SliceValue)
	if items, ok := value.([]any); ok && list {
		return setItems(f, path, raw, items)
	}
	text, ok := scalar(value)
	if !ok {
		return wrongKind(f, path, raw)
	}
	return set(f, path, text)
}

func setItems(f *pflag.Flag, path string, raw json.RawMessage, items []any) error {
	texts := make([]string, len(items))
	for i, item := range items {
		text, ok := scalar(item)
		if !ok {
			return wrongKind(f, path, raw)
		}
		texts[i] = text
	}
	return setTexts(f, path, texts)
}

// scalar is the text that a value of JSON has on a command line.
func scalar(value any) (string, bool) {
	switch v := value.(type) {
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	case bool:
		return fmt.Sprint(v), true
	default:
		return "", false
	}
}

// wrongKind is the fault of a value that is an object, null, or a list where none
// is expected.
func wrongKind(f *pflag.Flag, path string, raw json.RawMessage) error {
	e := newFault(f, path, strings.TrimSpace(string(raw)), nil)
	if e.Right == "" {
		e.Right = "a string"
	}
	if _, list := f.Value.(pflag.SliceValue); list {
		e.Right = "a list of strings"
	}
	return e
}

// Path is where the file is.
func (f *File) Path() string { return f.path }

// Has tells whether the file has a key.
func (f *File) Has(key string) bool {
	_, ok := f.raw(key)
	return ok
}

// Set gives the key of a flag the values of a command line: one, or for a list
// any number of them, each of which may have commas.
func (f *File) Set(flag *pflag.Flag, texts ...string) error {
	if err := setGiven(flag, texts); err != nil {
		return err
	}
	raw, err := json.Marshal(valueOf(flag, textsOf(flag)))
	if err != nil {
		return fmt.Errorf("--%s %q has no form in JSON: %w", flag.Name, texts, err)
	}
	f.put(flag.Name, raw)
	return nil
}

func setGiven(flag *pflag.Flag, texts []string) error {
	place := "--" + flag.Name
	if _, list := flag.Value.(pflag.SliceValue); !list {
		if len(texts) != 1 {
			return newFault(flag, place, strings.Join(texts, " "), errors.New("it takes one value"))
		}
		return setTexts(flag, place, texts)
	}
	var all []string
	for _, text := range texts {
		values, err := splitList(text)
		if err != nil {
			return newFault(flag, place, text, err)
		}
		all = append(all, values...)
	}
	return setTexts(flag, place, all)
}

// Edit reads the file at path, lets change change it, and writes it, unless change
// returns an error. Of those who edit it at a time each sees what the others wrote.
func Edit(path string, change func(*File) error) (err error) {
	lock, err := os.Open(filepath.Dir(path)) // the file itself is replaced
	if err != nil {
		return fmt.Errorf("change the settings: %w", err)
	}
	defer lock.Close() // and with it the lock
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return fmt.Errorf("change the settings: lock %s: %w", lock.Name(), err)
	}
	f, err := ReadFile(path)
	if err != nil {
		return err
	}
	if err := change(f); err != nil {
		return err
	}
	return f.write()
}

// Clone returns a copy that can be changed without the other.
func (f *File) Clone() *File {
	return &File{path: f.path, keys: slices.Clone(f.keys), values: maps.Clone(f.values), mode: f.mode}
}

// Unset removes a key and reports whether it was there.
func (f *File) Unset(key string) bool {
	if !f.Has(key) {
		return false
	}
	delete(f.values, key)
	f.keys = slices.DeleteFunc(f.keys, func(k string) bool { return k == key })
	return true
}

// write replaces the file, whole or not at all. Nobody but its owner may read it,
// because some settings are secrets.
func (f *File) write() error {
	var content, pretty bytes.Buffer
	content.WriteByte('{')
	for i, key := range f.keys {
		if i > 0 {
			content.WriteByte(',')
		}
		name, err := json.Marshal(key)
		if err != nil {
			return err
		}
		content.Write(name)
		content.WriteByte(':')
		content.Write(f.values[key])
	}
	content.WriteByte('}')
	if err := json.Indent(&pretty, content.Bytes(), "", "  "); err != nil {
		return err
	}
	pretty.WriteByte('\n')
	if err := repo.Replace(f.path, pretty.Bytes(), 0o600); err != nil {
		return fmt.Errorf("write the settings: %w", err)
	}
	return nil
}
