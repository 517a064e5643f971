package crash

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/souk-p2p/souk/adapter/pebbledb"
)

// Disk is a file system in memory that loses power on demand. Around every sync
// that is asked of it, it calls AtSync.
type Disk struct {
	vfs.FS // the memory, without the calls

	// AtSync is called before and after each sync, by the goroutine that syncs:
	// also by several at a time. It is set before the disk is used.
	AtSync func()
	// Unlogged makes OpenBlocks open the database without a log. What is left of a
	// disk is looked at with one.
	Unlogged bool

	memory *vfs.MemFS
	mu     sync.Mutex // one clone at a time: they draw from the generator
	rng    *rand.Rand
}

// NewDisk returns an empty disk. What a loss of power spares of unsynced data
// follows from the seed.
func NewDisk(seed uint64) *Disk { return diskOf(vfs.NewCrashableMem(), seed) }

func diskOf(memory *vfs.MemFS, seed uint64) *Disk {
	return &Disk{FS: memory, memory: memory, rng: rand.New(rand.NewPCG(seed, 0)), AtSync: func() {}}
}

// LosePower returns the disk as it is found after the power was lost now. Of each
// page and each name that was not synced, it has it with the given probability in
// percent. The disk itself goes on.
func (d *Disk) LosePower(spared int) *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	clone := d.memory.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: spared, RNG: d.rng})
	return diskOf(clone, d.rng.Uint64())
}

// SetFree says how many bytes are free on the disk. Nothing is held to it.
func (d *Disk) SetFree(n uint64) {
	d.memory.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: n, TotalBytes: n})
}

// Flip changes one bit in the last bytes of a file on the disk, and returns in
// which.
func (d *Disk) Flip(last int) (string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	names, err := d.List(dir)
	if err != nil {
		return "", err
	}
	slices.Sort(names)
	for {
		name := d.PathJoin(dir, names[d.rng.IntN(len(names))])
		data, err := d.memory.UnsafeGetFileDataBuffer(name)
		if err != nil {
			return "", err
		}
		if len(data) > 0 {
			data[len(data)-1-d.rng.IntN(min(last, len(data)))] ^= 1 << d.rng.IntN(8)
			return name, nil
		}
	}
}

// dir is where the database is on a disk.
const dir = "blocks"

// OpenBlocks opens the database on the disk, as a repository would but for a memory
// table that is small enough to be written out in the course of a test.
func (d *Disk) OpenBlocks() (*pebbledb.Datastore, error) {
	options := pebbledb.Options(d)
	if d.Unlogged {
		options = pebbledb.Unlogged(options)
	}
	options.MemTableSize = 64 << 10
	options.Logger = silent{}
	return pebbledb.OpenWith(dir, options)
}

// silent drops what Pebble says about what it recovers.
type silent struct{}

func (silent) Infof(string, ...any)  {}
func (silent) Errorf(string, ...any) {}
func (silent) Fatalf(format string, args ...any) {
	panic(fmt.Sprintf(format, args...))
}

// watched is a file of which each sync is a point to lose power at.
type watched struct {
	vfs.File
	disk *Disk
}

func (d *Disk) watch(f vfs.File, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	return watched{f, d}, nil
}

// Create implements vfs.FS.
func (d *Disk) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return d.watch(d.FS.Create(name, c))
}

// OpenReadWrite implements vfs.FS.
func (d *Disk) OpenReadWrite(name string, c vfs.DiskWriteCategory, o ...vfs.OpenOption) (vfs.File, error) {
	return d.watch(d.FS.OpenReadWrite(name, c, o...))
}

// OpenDir implements vfs.FS.
func (d *Disk) OpenDir(name string) (vfs.File, error) { return d.watch(d.FS.OpenDir(name)) }

// ReuseForWrite implements vfs.FS.
func (d *Disk) ReuseForWrite(from, to string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return d.watch(d.FS.ReuseForWrite(from, to, c))
}

// Sync implements vfs.File.
func (f watched) Sync() error { return f.around(f.File.Sync) }

// SyncData implements vfs.File.
func (f watched) SyncData() error { return f.around(f.File.SyncData) }

func (f watched) around(sync func() error) error {
	f.disk.AtSync()
	defer f.disk.AtSync()
	return sync()
}
