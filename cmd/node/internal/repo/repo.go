package repo

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/ipfs/go-datastore"
	"github.com/ipfs/go-datastore/namespace"
	"github.com/libp2p/go-libp2p/core/crypto"

	"github.com/souk-p2p/souk/adapter/pebbledb"
)

// Layout is the number of the layout that this package reads and writes.
const Layout = 1

const (
	versionFile  = "version"
	identityFile = "identity.key"
	lockFile     = "lock"
	blocksDir    = "blocks"
)

// Repo is a repository that this process has open and locked.
type Repo struct {
	dir   string
	key   crypto.PrivKey
	store *pebbledb.Datastore
	lock  *os.File

	mu sync.Mutex // of the file that says what is announced
}

// Default is the repository of a user who names none: $SOUK_REPO, or .souk in
// the home directory.
func Default() (string, error) {
	if dir := os.Getenv("SOUK_REPO"); dir != "" {
		return dir, nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("no home directory to keep a repository in (name one with --repo): %w", err)
	}
	return filepath.Join(home, ".souk"), nil
}

// Open opens the repository in dir for this process alone and makes it when
// there is none. It returns a [*LockedError] at once when another process has
// it open, and a [*LayoutError] when a newer release has written it.
func Open(dir string) (*Repo, error) { return openWith(dir, pebbledb.Open) }

// OpenForCommand is [Open] for a command that has the repository for itself until
// it ends: see [pebbledb.OpenUnlogged].
func OpenForCommand(dir string) (*Repo, error) { return openWith(dir, pebbledb.OpenUnlogged) }

func openWith(dir string, open func(dir string) (*pebbledb.Datastore, error)) (*Repo, error) {
	if err := Prepare(dir); err != nil {
		return nil, err
	}
	lock, err := acquire(filepath.Join(dir, lockFile))
	if err != nil {
		return nil, err
	}
	removeStale(dir, time.Now())
	r := &Repo{dir: dir, lock: lock}
	if err := r.load(open); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return r, nil
}

func (r *Repo) load(open func(dir string) (*pebbledb.Datastore, error)) (err error) {
	if r.key, err = Identity(r.dir); err != nil {
		return err
	}
	blocks := filepath.Join(r.dir, blocksDir)
	if err = requireWritable(blocks); err == nil {
		r.store, err = open(blocks)
	}
	if err != nil {
		return fmt.Errorf("open the blocks of %s: %w", r.dir, err)
	}
	return nil
}

// Prepare makes what is missing of a repository's directory itself and checks its
// layout.
func Prepare(dir string) error {
	if err := makeDir(dir); err != nil {
		return fmt.Errorf("make the repository: %w", err)
	}
	path := filepath.Join(dir, versionFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return createOnce(path, []byte(strconv.Itoa(Layout)+"\n"))
	}
	if err != nil {
		return fmt.Errorf("read the repository's version: %w", err)
	}
	found, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || found != Layout {
		return &LayoutError{Dir: dir, Found: strings.TrimSpace(string(text))}
	}
	return nil
}

// makeDir makes a directory and those above it that are missing, and returns when
// they would survive a loss of power: blocks that are put into them are to.
func makeDir(dir string) error {
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	parent := filepath.Dir(dir)
	if err := makeDir(parent); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDir(parent)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// createOnce writes a file that only its owner may read, whole or not at all, so
// that it survives a loss of power, and leaves one that somebody else made in the
// same moment as it is.
func createOnce(path string, content []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(content)
	if err := errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	if err := os.Link(tmp.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// Replace writes a file in place of the one that is there, whole or not at all,
// so that it survives a loss of power.
func Replace(path string, content []byte, mode fs.FileMode) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(content)
	if err := errors.Join(err, tmp.Chmod(mode), tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	if err := os.Rename(tmp.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// Dir is the repository's directory.
func (r *Repo) Dir() string { return r.dir }

// Key is the node's private key.
func (r *Repo) Key() crypto.PrivKey { return r.key }

// Blocks is the datastore in which the blocks are, and which notices by itself
// when their bytes have changed. It belongs to the repository and is closed with
// it.
func (r *Repo) Blocks() datastore.Batching { return r.store }

// Tracker is the datastore in which a tracker keeps what it was told. It belongs
// to the repository and is closed with it.
func (r *Repo) Tracker() datastore.Batching {
	return namespace.Wrap(r.store, datastore.NewKey("/tracker"))
}

// Ledgers is the datastore in which is kept what was exchanged with whom. It belongs
// to the repository and is closed with it.
func (r *Repo) Ledgers() datastore.Batching {
	return namespace.Wrap(r.store, datastore.NewKey("/ledgers"))
}

// DHT is the datastore in which a node of a DHT keeps what others have announced. It
// belongs to the repository and is closed with it.
func (r *Repo) DHT() datastore.Batching {
	return namespace.Wrap(r.store, datastore.NewKey("/dht"))
}

// Close closes the datastore and then lets others have the repository.
func (r *Repo) Close() error {
	return errors.Join(r.store.Close(), r.lock.Close())
}

// LayoutError says that a repository has a layout that this release cannot read,
// or that the file that names it is damaged.
type LayoutError struct {
	Dir   string
	Found string
}

func (e *LayoutError) Error() string {
	if _, err := strconv.Atoi(e.Found); err != nil {
		return fmt.Sprintf("%s: the file %q holds %q and no number, so it is damaged: write %d into it if this souk made the repository",
			e.Dir, versionFile, e.Found, Layout)
	}
	return fmt.Sprintf("%s: the repository has layout %q and this souk reads %d: use the souk that wrote it, or upgrade",
		e.Dir, e.Found, Layout)
}
