// Package client is a peer's side of /souk/tracker/1.0.0: it knows the trackers,
// keeps one stream to each that is in use, and asks and tells over it.
package client
