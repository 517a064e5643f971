package session

import (
	"github.com/libp2p/go-libp2p/core/peer"
)

// Option changes what a session does.
type Option func(*options)

type options struct {
	named     []peer.ID
	only      bool // named and nobody else
	wait      bool
	namespace string
	priority  int32
}

// WithPeers makes the session ask these peers and no others, without any
// search. When every one of them has answered DONT_HAVE or cannot be reached
// the fetch fails at once with a [FetchError]; see [WithWaiting].
func WithPeers(peers ...peer.ID) Option {
	return func(o *options) { o.named, o.only = append(o.named, peers...), true }
}

// WithWaiting keeps the wants of a session [WithPeers] at its peers when all
// of them have answered DONT_HAVE, until the context ends: a peer that gets the
// block later sends it.
func WithWaiting() Option { return func(o *options) { o.wait = true } }

// WithNamespace makes the session ask the directory for peers of that
// namespace, and first those connected peers that were useful in it.
func WithNamespace(ns string) Option { return func(o *options) { o.namespace = ns } }

// WithPriority sets the priority of the session's wants, at our own queue and at
// the peers'. Higher is sooner; the default is 0.
func WithPriority(p int32) Option { return func(o *options) { o.priority = p } }
