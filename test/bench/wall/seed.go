package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/test/internal/exchanges"
)

// seed is who has the blocks.
type seed interface {
	addrs() peer.AddrInfo
	used() (usage, error) // beside this process
	Close() error
}

// here is a seed in this process.
type here struct{ *node }

func (h here) addrs() peer.AddrInfo { return addrs(h.Host) }
func (here) used() (usage, error)   { return usage{}, nil }

func newSeed(t *transfer) (seed, error) {
	if t.apart {
		return spawn(t)
	}
	n, err := stocked(t.link, t.make, t.has)
	if err != nil {
		return nil, err
	}
	return here{n}, nil
}

// stocked returns a node that has the blocks.
func stocked(link string, m exchanges.Make, has stock) (*node, error) {
	n, err := newNode(transports[link], m)
	if err != nil {
		return nil, err
	}
	if err := n.Put(context.Background(), has.blocks()...); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return n, nil
}

// serveVerb is the first argument of a process that is a seed.
const serveVerb = "serve"

// away is a seed in a process of its own. A line on its input asks what it has
// used; the end of its input ends it.
type away struct {
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *json.Decoder
	info peer.AddrInfo
}

func spawn(t *transfer) (*away, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	a := &away{cmd: exec.Command(self, serveVerb, "-transport", t.link, "-make", string(t.make),
		"-blocks", fmt.Sprint(t.has.count), "-size", fmt.Sprint(t.has.size))}
	a.cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	a.cmd.Stderr = os.Stderr
	a.in, err = a.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := a.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	a.out = json.NewDecoder(out)
	if err := a.cmd.Start(); err != nil {
		return nil, err
	}
	if err := a.out.Decode(&a.info); err != nil {
		return nil, errors.Join(fmt.Errorf("start a seed: %w", err), a.Close())
	}
	return a, nil
}

func (a *away) addrs() peer.AddrInfo { return a.info }

func (a *away) used() (u usage, err error) {
	if _, err = fmt.Fprintln(a.in); err == nil {
		err = a.out.Decode(&u)
	}
	return u, err
}

// Close ends the process.
func (a *away) Close() error { return errors.Join(a.in.Close(), a.cmd.Wait()) }

// serve is a process that is a seed.
func serve(args []string) error {
	f := flag.NewFlagSet(serveVerb, flag.ContinueOnError)
	link := f.String("transport", "noise", "")
	kind := f.String("make", "souk", "")
	var has stock
	f.IntVar(&has.count, "blocks", 1, "")
	f.IntVar(&has.size, "size", 1, "")
	if err := f.Parse(args); err != nil {
		return err
	}
	n, err := stocked(*link, exchanges.Make(*kind), has)
	if err != nil {
		return err
	}
	err = answer(os.Stdin, json.NewEncoder(os.Stdout), n)
	return errors.Join(err, n.Close())
}

// answer says where the node is, and with each line that comes what was used.
func answer(in io.Reader, out *json.Encoder, n *node) error {
	if err := out.Encode(addrs(n.Host)); err != nil {
		return err
	}
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		if err := out.Encode(used()); err != nil {
			return err
		}
	}
	return lines.Err()
}
