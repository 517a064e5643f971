// Package routingv1 speaks Delegated Routing V1 over HTTP, the way in which
// browsers, Kubo and others ask who has a CID, on both sides: [Client] asks a
// router, and [Handler] answers for a tracker. The specification is at
// https://specs.ipfs.tech/routing/http-routing-v1/; of it, this package knows
//
//	GET /routing/v1/providers/{cid}
//
// with filter-addrs and filter-protocols (IPIP-484), streamed answers (IPIP-417's
// records, one to a line), and 200 with no record when nobody is known (IPIP-513).
//
// The specification has no namespaces. They stand in front of the path:
//
//	GET /ns/{namespace}/routing/v1/providers/{cid}
//
// so that a client which joins the path to a base URL needs to know nothing of
// them: the base URL is that of the tracker with /ns/ and the namespace, escaped
// as one segment. For clients that take no path in a base URL, as boxo's, it may
// be a query instead: https://tracker.example?namespace=films. Without a namespace
// a tracker answers from those that its operator made public. The CID that
// [providers.NamespaceCID] gives for the namespace of the request asks for anybody
// in it.
//
// Like package network it is I/O with a small lock, and no actor: a [Client]'s
// questions run in the goroutines that ask, a handler's in those of the server.
// What either reads from the other side is bounded before it is kept.
package routingv1
