package souk

import "github.com/souk-p2p/souk/session"

// FetchHook is told of each call that fetches, when it begins and when it ends: see
// [session.Hook]. Package adapter/otel makes one of spans.
type FetchHook = session.Hook

// WithFetchHook has hook told of every GetBlock, GetBlocks and Results, in sessions
// and without one. The default is none, which costs nothing.
func WithFetchHook(hook FetchHook) Option { return func(o *options) { o.hook = hook } }
