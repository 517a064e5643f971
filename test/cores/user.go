//go:build simulation

package cores

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/session"
)

// nothing is the context of calls that do not wait.
var nothing = context.Background()

// user is a session and those who call it.
type user struct {
	n       *node
	session *session.Steps
	name    string
	actor   named
	calls   []*call
	ending  bool
}

// call is one caller, who takes results in a pace of its own.
type call struct {
	user   *user
	caller *session.Caller
	id     int
	pace   time.Duration
	open   map[cid.Cid]bool
	failed <-chan []*session.FetchError // of a call that was cancelled
	ended  bool
}

// login opens a session at a node.
func (n *node) login() {
	if !n.alive || len(n.sessions) >= 3 {
		return
	}
	if !n.room() {
		n.w.after(time.Millisecond, n.login)
		return
	}
	w := n.w
	opts := []session.Option{session.WithPriority(int32(w.dice.IntN(3)))}
	only := w.some(4)
	if only {
		opts = append(opts, session.WithPeers(n.friends()...))
		if w.some(2) {
			opts = append(opts, session.WithWaiting())
		}
	}
	if w.some(2) {
		opts = append(opts, session.WithNamespace("bazaar"))
	}
	u, err := n.open(fmt.Sprintf("session %d", len(n.sessions)), session.Config{Candidates: 1 + w.dice.IntN(8)}, opts...)
	if err != nil {
		w.fail("%s: open a session: %w", n, err)
		return
	}
	w.tell("%s %s opens, with named peers: %t", n, u.name, only)
}

// open opens a session that uses the node's actors.
func (n *node) open(name string, cfg session.Config, opts ...session.Option) (*user, error) {
	cfg.Self, cfg.Blocks, cfg.Peers, cfg.Wants = n.id, n.blocks.Router, n.peers.Router, n.wants.Manager
	cfg.Providers = n.finder.Directory
	cfg.Score = func(p peer.ID) float64 { return n.ledger.Scores().Of(p) }
	s, err := session.NewSteps(cfg, opts...)
	if err != nil {
		return nil, err
	}
	u := &user{n: n, session: s, name: name}
	u.actor = named{name, s.List(), s.Audit, s.Wake, n.room}
	n.sessions = append(n.sessions, u)
	n.rouse()
	return u, nil
}

// friends are peers to be named, among them the first node, which has everything
// in the end.
func (n *node) friends() []peer.ID {
	var ids []peer.ID
	if n.i > 0 {
		ids = append(ids, n.w.nodes[0].id)
	}
	for _, other := range n.w.nodes[1:] {
		if other != n && n.w.some(4) {
			ids = append(ids, other.id)
		}
	}
	return ids
}

func (u *user) step() bool {
	if u.ending {
		return false
	}
	return u.n.stepOf(u.actor)
}

func (u *user) wake() time.Time {
	if u.ending {
		return time.Time{}
	}
	return u.session.Wake()
}

// ask makes a call for some of the blocks.
func (u *user) ask() {
	w := u.n.w
	c := &call{user: u, caller: u.session.Call(), id: len(u.calls), pace: w.between(0, 200*time.Millisecond), open: make(map[cid.Cid]bool)}
	if w.some(4) {
		c.pace = w.between(time.Second, 20*time.Second)
	}
	u.calls = append(u.calls, c)
	c.want(1 + w.dice.IntN(3))
}

// want asks in several parts.
func (c *call) want(parts int) {
	w := c.user.n.w
	switch {
	case c.user.ending:
		c.close()
		return
	case c.failed != nil:
		return
	case !c.user.session.Room():
		w.after(time.Millisecond, func() { c.want(parts) })
		return
	case parts == 0:
		c.caller.Finish()
		c.take()
		return
	}
	var cids []cid.Cid
	for _, b := range w.blocks {
		if w.some(3) && !c.open[b.Cid()] {
			c.open[b.Cid()] = true
			cids = append(cids, b.Cid())
			if w.some(10) {
				cids = append(cids, b.Cid())
			}
		}
	}
	w.dice.Shuffle(len(cids), func(i, j int) { cids[i], cids[j] = cids[j], cids[i] })
	w.tell("%s %s call %d wants %d blocks", c.user.n, c.user.name, c.id, len(cids))
	if len(cids) > 0 {
		c.caller.Want(cids, w.some(2))
	}
	w.after(w.between(0, time.Millisecond), func() { c.want(parts - 1) })
}

// take takes what is there, again and again until the call has ended.
func (c *call) take() {
	if c.ended {
		return
	}
	results, ended := c.caller.Take()
	size := 0
	for _, r := range results {
		c.result(r)
		if r.Block != nil {
			size += len(r.Block.RawData())
		}
	}
	if len(results) > 0 {
		c.consumed(len(results), size)
	}
	if ended && (c.failed == nil || len(c.failed) > 0) {
		c.close()
		return
	}
	w := c.user.n.w
	pace := c.pace
	if w.calm {
		pace = min(pace, 50*time.Millisecond)
	}
	w.after(pace+time.Millisecond, c.take)
}

func (c *call) consumed(count, size int) {
	switch {
	case c.user.ending:
	case !c.user.session.Room():
		c.user.n.w.after(time.Millisecond, func() { c.consumed(count, size) })
	default:
		c.caller.Consumed(count, size)
	}
}

// result looks whether a result is what was asked for, and comes once.
func (c *call) result(r session.Result) {
	w := c.user.n.w
	w.tell("%s %s call %d gets %s from %q: %v", c.user.n, c.user.name, c.id, short(r.CID), string(r.From), r.Err)
	if !c.open[r.CID] {
		w.fail("%s %s call %d gets %s, which it does not wait for", c.user.n, c.user.name, c.id, r.CID)
		return
	}
	delete(c.open, r.CID)
	if r.Err != nil {
		var failure *session.FetchError
		if r.Block != nil || !errors.As(r.Err, &failure) || failure.CID != r.CID {
			w.fail("%s fails with %v and a block: %t", r.CID, r.Err, r.Block != nil)
		}
		return
	}
	if !bytes.Equal(r.Block.RawData(), w.known[r.CID].RawData()) || r.Block.Cid() != r.CID {
		w.fail("%s %s call %d gets other bytes for %s", c.user.n, c.user.name, c.id, r.CID)
	}
}

// cancel ends a call before its time.
func (c *call) cancel() {
	if c.ended || c.failed != nil || c.user.ending || !c.user.session.Room() {
		return
	}
	c.user.n.w.tell("%s %s call %d is cancelled", c.user.n, c.user.name, c.id)
	c.failed = c.caller.Cancel(errors.New("enough"))
	c.take()
}

// close looks whether every want has ended: what was not delivered has failed, or
// is told to have been open when the call was cancelled.
func (c *call) close() {
	if c.ended {
		return
	}
	c.ended = true
	w := c.user.n.w
	w.tell("%s %s call %d ends", c.user.n, c.user.name, c.id)
	if c.failed != nil {
		for _, f := range <-c.failed {
			if !c.open[f.CID] {
				w.fail("%s is said to have been open and was not", f.CID)
			}
			delete(c.open, f.CID)
		}
	}
	if len(c.open) > 0 && !c.user.ending {
		w.fail("%s %s call %d ends with %d wants open", c.user.n, c.user.name, c.id, len(c.open))
	}
}

// logout ends the session, and with it every call.
func (u *user) logout(then func()) {
	w := u.n.w
	switch {
	case u.ending:
		return
	case !u.n.room():
		w.after(time.Millisecond, func() { u.logout(then) })
		return
	}
	w.tell("%s %s closes", u.n, u.name)
	u.session.End()
	u.n.rouse()
	for _, c := range u.calls {
		if !c.ended && c.failed == nil && len(c.open) > 0 {
			u.last(c)
		}
	}
	u.ending = true
	u.await(time.Now().Add(time.Minute), then)
}

// last takes what a call is given at the end of its session: a word about every
// want.
func (u *user) last(c *call) {
	results, ended := c.caller.Take()
	for _, r := range results {
		c.result(r)
	}
	if !ended {
		return // None of its wants had reached the session.
	}
	c.close()
}

// await waits until the actors below have closed their links.
func (u *user) await(deadline time.Time, then func()) {
	w := u.n.w
	switch {
	case u.session.Left():
		w.tell("%s %s has ended", u.n, u.name)
		u.n.remove(u)
		then()
	case time.Now().After(deadline):
		w.fail("%s %s: a link was not closed", u.n, u.name)
	default:
		w.after(time.Millisecond, func() { u.await(deadline, then) })
	}
}

func (n *node) remove(u *user) {
	for i, other := range n.sessions {
		if other == u {
			n.sessions = append(n.sessions[:i:i], n.sessions[i+1:]...)
			return
		}
	}
}

// ended reports whether no call is open.
func (w *World) ended() bool {
	for _, n := range w.nodes {
		for _, u := range n.sessions {
			for _, c := range u.calls {
				if !c.ended {
					return false
				}
			}
		}
	}
	return true
}

// open says what is open.
func (w *World) open() string {
	text := "is open:"
	for _, n := range w.nodes {
		for _, u := range n.sessions {
			for _, c := range u.calls {
				if !c.ended {
					text += fmt.Sprintf(" %s %s call %d (%d wants)", n, u.name, c.id, len(c.open))
				}
			}
		}
	}
	return text
}
