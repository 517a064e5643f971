//go:build simulation

package cores

import (
	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/session"
)

// Fetch is a session at a node that asks for one block.
type Fetch struct {
	user   *user
	caller *session.Caller
	want   cid.Cid
	result *session.Result
}

// Fetch opens a session at a node for one block; the node's actors are no
// part of the configuration.
func (w *World) Fetch(at peer.ID, c cid.Cid, cfg session.Config, opts ...session.Option) (*Fetch, error) {
	u, err := w.byID[at].open("fetch", cfg, opts...)
	if err != nil {
		return nil, err
	}
	f := &Fetch{user: u, caller: u.session.Call(), want: c}
	f.caller.Want([]cid.Cid{c}, false)
	f.caller.Finish()
	return f, nil
}

// Result is what came of it, or nil when nothing has yet.
func (f *Fetch) Result() *session.Result {
	if f.result == nil {
		if results, _ := f.caller.Take(); len(results) > 0 {
			f.result = &results[0]
			f.caller.Consumed(1, 0)
			f.user.n.rouse()
		}
	}
	return f.result
}

// End closes the session: what it has asked for is withdrawn.
func (f *Fetch) End() { f.user.logout(func() {}) }
