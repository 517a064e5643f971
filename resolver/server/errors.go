package server

import "errors"

// ErrNone is what Produce returns for a key that it has no value for.
var ErrNone = errors.New("there is no value for the key")

// Errors of [Server.Serve].
var (
	ErrClosed  = errors.New("server is stopped")
	ErrStreams = errors.New("server: as many streams as are served")
)

// errOversize is what has become of a call that returned a value above the limit.
var errOversize = errors.New("server: value is larger than Limits.MaxValue")
