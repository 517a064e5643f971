package repo

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/souk-p2p/souk/providers/record"
)

const announcedFile = "announced.json"

// Announcement is what the node tells trackers that it holds of one namespace,
// and tells them again whenever it runs.
type Announcement struct {
	Namespace string   `json:"namespace"`
	Shards    []Shards `json:"shards,omitempty"`      // none are all of them
	Partial   bool     `json:"partial,omitempty"`     // only some of that is held
	Capacity  uint32   `json:"capacity,omitempty"`    // KiB/s that it is willing to send; 0 is not said
	TTL       int64    `json:"ttl_seconds,omitempty"` // 0 is the trackers' usual
}

// Check returns an error that names the first field that is against the rules of
// announcements.
func (a *Announcement) Check() error {
	if err := record.Namespace(a.Namespace).Check(); err != nil {
		return fmt.Errorf("namespace %q: %w", a.Namespace, err)
	}
	if _, err := record.NewRanges(a.Ranges()...); err != nil {
		return fmt.Errorf("shards %v: %w", a.Shards, err)
	}
	if ttl := a.Lifetime(); ttl != 0 && (ttl < record.MinTTL || ttl > record.MaxTTL) {
		return fmt.Errorf("ttl %v: from %v to %v is right", ttl, record.MinTTL, record.MaxTTL)
	}
	return nil
}

// Lifetime is the TTL, and 0 for the usual one.
func (a *Announcement) Lifetime() time.Duration {
	const most = int64(1<<63-1) / int64(time.Second)
	return time.Duration(min(max(a.TTL, -most), most)) * time.Second
}

// Ranges are the points of the shards.
func (a *Announcement) Ranges() []record.Range {
	ranges := make([]record.Range, len(a.Shards))
	for i, s := range a.Shards {
		ranges[i] = s.points()
	}
	return ranges
}

// announced is what the file holds.
type announced struct {
	Announced []Announcement `json:"announced"` // ordered by namespace
}

// Announced returns what is announced whenever the node runs, ordered by
// namespace.
func (r *Repo) Announced() ([]Announcement, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.announced()
}

// Announce remembers an announcement, in place of one of the same namespace. When
// it returns nil that survives a loss of power.
func (r *Repo) Announce(a Announcement) error {
	if err := a.Check(); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	all, err := r.announced()
	if err != nil {
		return err
	}
	i, there := find(all, a.Namespace)
	if there {
		all[i] = a
	} else {
		all = slices.Insert(all, i, a)
	}
	return r.setAnnounced(all)
}

// Withdraw forgets what is announced of a namespace and reports whether there was
// something.
func (r *Repo) Withdraw(namespace string) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	all, err := r.announced()
	if err != nil {
		return false, err
	}
	i, there := find(all, namespace)
	if !there {
		return false, nil
	}
	return true, r.setAnnounced(slices.Delete(all, i, i+1))
}

func find(all []Announcement, namespace string) (int, bool) {
	return slices.BinarySearchFunc(all, namespace, byNamespace)
}

func byNamespace(a Announcement, namespace string) int {
	return strings.Compare(a.Namespace, namespace)
}

// announced reads the file. It is called with the lock, as is setAnnounced.
func (r *Repo) announced() ([]Announcement, error) {
	path := filepath.Join(r.dir, announcedFile)
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read what is announced: %w", err)
	}
	var file announced
	if err := json.Unmarshal(content, &file); err != nil {
		return nil, damaged(path, err)
	}
	for i := range file.Announced {
		if err := file.Announced[i].Check(); err != nil {
			return nil, damaged(path, err)
		}
	}
	slices.SortFunc(file.Announced, func(a, b Announcement) int { return byNamespace(a, b.Namespace) })
	return file.Announced, nil
}

func damaged(path string, err error) error {
	return fmt.Errorf("%s does not say what is announced (correct it, or remove it and announce again): %w", path, err)
}

func (r *Repo) setAnnounced(all []Announcement) error {
	var content bytes.Buffer
	out := json.NewEncoder(&content)
	out.SetIndent("", "  ")
	err := out.Encode(announced{Announced: all})
	if err == nil {
		err = Replace(filepath.Join(r.dir, announcedFile), content.Bytes(), 0o600)
	}
	if err != nil {
		return fmt.Errorf("remember what is announced: %w", err)
	}
	return nil
}
