package download

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/internal/actor"
	"github.com/souk-p2p/souk/internal/walk"
	"github.com/souk-p2p/souk/session"
)

// job is a transfer, in a goroutine of its own.
type job struct {
	cfg     Config
	results chan<- result
	id      TransferID
	root    cid.Cid
	nodes   <-chan []peer.ID // that it may ask from now on

	asked  []peer.ID // now
	source walk.Getter
	shut   context.CancelFunc // of the source
	bytes  uint64             // that were walked
	said   time.Time          // when that was told last
	lacks  lacks
}

// lacks is what could not be had.
type lacks struct {
	blocks int
	nodes  []NodeFailure // in the order in which they have failed
	err    error         // of the first block
	local  bool          // nobody can do anything about it but we
}

// errEnough ends a walk that has found enough of what is missing.
var errEnough = errors.New("many blocks are missing")

// mostLacking is how many blocks may be missing before a transfer ends. What a node has
// of a DAG is taken although it has not got all of it, but it is not asked for each block
// of which it has none.
const mostLacking = 64

// sayEvery is how often progress is told at most: more often nobody can look.
const sayEvery = 200 * time.Millisecond

// run fetches, and tells the actor how that has ended.
func (j *job) run(ctx context.Context, first peer.ID) {
	j.open(ctx, []peer.ID{first})
	err := actor.Guard("download", j.cfg.Panicked, func() error { return j.fetch(ctx) })
	if err == nil && j.lacks.blocks == 0 {
		j.tell(ctx, false, func(s *state, _ time.Time) { s.complete(j.id) })
		err = actor.Guard("download", j.cfg.Panicked, func() error { return j.verify(ctx) })
	}
	if err != nil && j.lacks.blocks == 0 {
		j.lacks = lacks{err: err, local: true}
	}
	j.tell(ctx, true, j.verdict(err == nil))
}

// verdict is what the actor does with the end.
func (j *job) verdict(well bool) func(*state, time.Time) {
	id, l := j.id, j.lacks
	return func(s *state, now time.Time) {
		switch {
		case well && l.blocks == 0:
			s.done(now, id)
		case l.local:
			s.failed(now, id, "", Local, l.err)
		default:
			for _, f := range l.nodes {
				s.failed(now, id, f.Node, f.Reason, l.err)
			}
			s.failed(now, id, "", Unreachable, l.err) // who joined too late to be asked, if anybody did
		}
	}
}

// tell gives something to the actor, unless that has no use for it any more.
func (j *job) tell(ctx context.Context, end bool, say func(*state, time.Time)) {
	select {
	case j.results <- result{job: j.id, say: say, end: end}:
	case <-ctx.Done():
	}
}

// open has these nodes asked from now on.
func (j *job) open(ctx context.Context, nodes []peer.ID) {
	if j.shut != nil {
		j.shut()
	}
	ctx, j.shut = context.WithCancel(ctx)
	j.asked, j.source = nodes, j.cfg.Network.Session(ctx, nodes...)
}

// current is what fetches now.
func (j *job) current(ctx context.Context) walk.Getter {
	select {
	case nodes := <-j.nodes:
		j.open(ctx, nodes)
	default:
	}
	return j.source
}

// getter is a job as the walk sees it.
type getter struct {
	*job
	life context.Context
}

func (g getter) GetBlock(ctx context.Context, c cid.Cid) (blocks.Block, error) {
	return g.current(g.life).GetBlock(ctx, c)
}

func (g getter) GetBlocks(ctx context.Context, cs []cid.Cid) (<-chan blocks.Block, error) {
	return g.current(g.life).GetBlocks(ctx, cs)
}

// fetch gets all that is not here and can be had.
func (j *job) fetch(ctx context.Context) error {
	began, absent := time.Now(), !j.has(ctx, j.root)
	o := walk.Options{Links: j.cfg.Links, Leaf: j.cfg.Leaf, Stored: j.cfg.Store.Has, Missing: j.missing}
	return walk.Walk(ctx, getter{j, ctx}, j.root, o, func(c cid.Cid, b blocks.Block) error {
		if absent {
			absent = false
			from, took := j.asked[0], time.Since(began)
			j.tell(ctx, false, func(s *state, now time.Time) { s.ready(now, j.id, from, took) })
		}
		return j.count(ctx, c, b)
	})
}

func (j *job) has(ctx context.Context, c cid.Cid) bool {
	has, err := j.cfg.Store.Has(ctx, c)
	return err == nil && has
}

// count adds up what is here, and says so now and then.
func (j *job) count(ctx context.Context, c cid.Cid, b blocks.Block) error {
	if b != nil {
		j.bytes += uint64(len(b.RawData()))
	} else if size, err := j.cfg.Store.GetSize(ctx, c); err == nil {
		j.bytes += uint64(size)
	}
	j.say(ctx)
	return ctx.Err()
}

// say tells how much is here, unless it has just done so.
func (j *job) say(ctx context.Context) {
	if time.Since(j.said) >= sayEvery {
		j.mustSay(ctx)
	}
}

func (j *job) mustSay(ctx context.Context) {
	j.said = time.Now()
	bytes := j.bytes
	j.tell(ctx, false, func(s *state, now time.Time) { s.progress(now, j.id, bytes, 0) })
}

// missing notes a block that cannot be had, and why.
func (j *job) missing(c cid.Cid, why error) error {
	var e *session.FetchError
	if !errors.As(why, &e) || e.Store != nil || errors.Is(why, session.ErrClosed) {
		return fmt.Errorf("block %s: %w", c, why)
	}
	if j.lacks.blocks++; j.lacks.blocks == 1 {
		j.lacks.err = why
	}
	for _, p := range j.asked {
		j.lacks.note(p, reasonOf(e, p))
	}
	if j.lacks.blocks == mostLacking {
		return errEnough
	}
	return nil
}

// note notes why a node has not served a block. That it has not got one weighs most.
func (l *lacks) note(p peer.ID, why Reason) {
	at := slices.IndexFunc(l.nodes, func(f NodeFailure) bool { return f.Node == p })
	if at < 0 {
		l.nodes = append(l.nodes, NodeFailure{p, why})
	} else if why == HasNot {
		l.nodes[at].Reason = why
	}
}

// reasonOf is what became of asking a node.
func reasonOf(e *session.FetchError, p peer.ID) Reason {
	for _, a := range e.Answers {
		if a.Peer != p {
			continue
		}
		switch a.Outcome {
		case session.DontHave, session.NotAsked:
			return HasNot
		case session.Unreachable, session.Left, session.Denied:
			return Unreachable
		default:
			return Broken
		}
	}
	return Unreachable
}

// Blocks are given out before they are stored. A block that is not in the store by then
// will not be.
const (
	storePatience = 30 * time.Second // as long as a write may take before it is given up
	storeLook     = 50 * time.Millisecond
)

// verify walks what is stored here: all of it is, or the download is not complete.
func (j *job) verify(ctx context.Context) error {
	local := stored{j}
	o := walk.Options{Links: j.cfg.Links, Leaf: j.cfg.Leaf, Stored: local.has}
	err := walk.Walk(ctx, local, j.root, o, func(cid.Cid, blocks.Block) error {
		j.say(ctx)
		return ctx.Err()
	})
	j.mustSay(ctx)
	return err
}

// stored reads what is stored here, or about to be.
type stored struct{ *job }

// has waits until a block is stored.
func (s stored) has(ctx context.Context, c cid.Cid) (bool, error) {
	for patience := storePatience; ; patience -= storeLook {
		has, err := s.cfg.Store.Has(ctx, c)
		if has || err != nil {
			return has, err
		}
		if patience <= 0 {
			return false, fmt.Errorf("block %s has come and is not stored", c)
		}
		select {
		case <-time.After(storeLook):
			s.say(ctx)
		case <-ctx.Done():
			return false, context.Cause(ctx)
		}
	}
}

func (s stored) GetBlock(ctx context.Context, c cid.Cid) (blocks.Block, error) {
	if _, err := s.has(ctx, c); err != nil {
		return nil, err
	}
	return s.cfg.Store.Get(ctx, c)
}

// GetBlocks gives none: the walk takes them one after the other.
func (s stored) GetBlocks(context.Context, []cid.Cid) (<-chan blocks.Block, error) {
	none := make(chan blocks.Block)
	close(none)
	return none, nil
}

// keep has a node connected, and tells the actor of it.
func (d *Downloads) keep(ctx context.Context, k *keep) {
	began, p := time.Now(), k.to.ID
	tell := func(end bool, say func(*state, time.Time)) {
		select {
		case d.results <- result{keep: k, say: say, end: end}:
		case <-ctx.Done():
		}
	}
	was := false
	err := actor.Guard("download", d.cfg.Panicked, func() error {
		return d.cfg.Network.Keep(ctx, k.to, func() {
			was = true
			took := time.Since(began)
			tell(false, func(s *state, now time.Time) { s.connected(now, p, took) })
		})
	})
	tell(true, func(s *state, now time.Time) {
		if was {
			s.gone(now, p)
		} else {
			s.failedToConnect(now, p, err)
		}
	})
}
