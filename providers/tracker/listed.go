package tracker

import "github.com/libp2p/go-libp2p/core/peer"

// Listed is a provider as askers over HTTP are told of it.
type Listed struct {
	Info     peer.AddrInfo // verified addresses first
	Complete bool          // it has the whole namespace
}
