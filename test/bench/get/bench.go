package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// listen is where the process that serves listens.
var listen = map[string]string{
	"tcp":  "/ip4/127.0.0.1/tcp/0",
	"quic": "/ip4/127.0.0.1/udp/0/quic-v1",
}

// bench is one run of the benchmark.
type bench struct {
	options
	self string // this program
	souk string // the command, built for this run
	file string
	repo string // that holds the file
	root string // its CID
}

func run(ctx context.Context, o options) (err error) {
	dir, err := os.MkdirTemp(o.dir, "souk-bench-get-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	b := &bench{options: o, souk: filepath.Join(dir, "souk"), file: filepath.Join(dir, "file"), repo: filepath.Join(dir, "seed")}
	b.dir = dir
	if err := b.prepare(ctx); err != nil {
		return err
	}
	var t table
	for range o.runs {
		if err := b.round(ctx, &t); err != nil {
			return err
		}
	}
	return t.publish(os.Stdout, o.size)
}

// prepare builds the command and imports the file that is fetched.
func (b *bench) prepare(ctx context.Context) (err error) {
	if b.self, err = os.Executable(); err != nil {
		return err
	}
	build := exec.CommandContext(ctx, "go", "build", "-o", b.souk, "github.com/souk-p2p/souk/cmd/node")
	if _, err := finish(build); err != nil {
		return err
	}
	if err := writeNoise(b.file, b.size); err != nil {
		return err
	}
	added, err := finish(b.add(ctx, b.repo))
	b.root = strings.TrimSpace(added.out)
	return err
}

func (b *bench) add(ctx context.Context, repo string) *exec.Cmd {
	return exec.CommandContext(ctx, b.souk, "--repo", repo, "add", "-Q", b.file)
}

// round measures everything once. Makes take turns within it, so that what else
// the machine does hits all of them.
func (b *bench) round(ctx context.Context, t *table) error {
	written, err := b.write()
	if err != nil {
		return err
	}
	t.add("disk", "write and sync", written)
	imported, err := b.imported(ctx)
	if err != nil {
		return err
	}
	t.add("disk", "souk add", imported)
	for _, transport := range b.transports {
		for _, name := range b.makes {
			s, err := b.get(ctx, makes[name], transport)
			if err != nil {
				return fmt.Errorf("%s over %s: %w", name, transport, err)
			}
			t.add(transport, name, s)
		}
	}
	return nil
}

// get fetches the file once, from a process that is started for it.
func (b *bench) get(ctx context.Context, m commands, transport string) (s sample, err error) {
	fetched := filepath.Join(b.dir, "fetched")
	defer os.RemoveAll(fetched)
	if err := os.Mkdir(fetched, 0o755); err != nil {
		return s, err
	}
	seed, err := start(m.seed(ctx, b, listen[transport]))
	if err != nil {
		return s, err
	}
	output := filepath.Join(fetched, "output")
	got, err := finish(m.get(ctx, b, seed.address, filepath.Join(fetched, "repo"), output))
	seedCPU, stopped := seed.stop()
	if err := errors.Join(err, stopped, b.check(output)); err != nil {
		return s, err
	}
	return sample{took: got.took, getCPU: got.cpu, seedCPU: seedCPU}, nil
}

// check compares what was fetched with the file.
func (b *bench) check(output string) error {
	want, err := sumOf(b.file)
	if err != nil {
		return err
	}
	got, err := sumOf(output)
	if err == nil && got != want {
		err = errors.New("what was fetched is not what was added")
	}
	return err
}

// write is how fast the disk takes the file.
func (b *bench) write() (s sample, err error) {
	path := filepath.Join(b.dir, "written")
	defer os.Remove(path)
	in, err := os.Open(b.file)
	if err != nil {
		return s, err
	}
	defer in.Close()
	begin := time.Now()
	out, err := os.Create(path)
	if err != nil {
		return s, err
	}
	// Only a reader and a writer: the file system could copy files by itself.
	_, err = io.CopyBuffer(struct{ io.Writer }{out}, struct{ io.Reader }{in}, make([]byte, 1<<20))
	err = errors.Join(err, out.Sync(), out.Close())
	return sample{took: time.Since(begin)}, err
}

// imported is how fast a repository takes the file.
func (b *bench) imported(ctx context.Context) (sample, error) {
	repo := filepath.Join(b.dir, "imported")
	defer os.RemoveAll(repo)
	added, err := finish(b.add(ctx, repo))
	return sample{took: added.took, getCPU: added.cpu}, err
}

// writeNoise writes a file that cannot be compressed, always the same.
func writeNoise(path string, size int64) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = io.CopyN(f, rand.NewChaCha8([32]byte{}), size)
	return errors.Join(err, f.Sync(), f.Close())
}
