// Package debug serves pages about a running node: for people in a browser, as
// JSON for programs, and as server-sent events for who follows them.
//
//	/debug/                 what is wrong now, and how much passes
//	/debug/ledgers          what passed between us and every peer
//	/debug/ledgers/{peer}   one of them
//	/debug/wants            which blocks we and our peers wait for
//	/debug/sessions         what is fetched
//	/debug/sessions/{id}    one of them
//	/debug/actors           how busy the parts of the node are
//	/debug/tracker          what the node keeps and answers as a tracker, if it is one
//	/debug/resolver         what resolvers on the node fetch, of whom, and what they serve
//	/debug/downloads        documents: what is covered, here, missing, fetched, and what failed why
//	/debug/vars             counters, for programs
//	/debug/bundle           a zip file for a bug report
//	/debug/pprof/           profiles, where they are switched on
//
// A browser (Accept: text/html) gets HTML, everybody else JSON; ?format=json and
// ?format=html override that, and Accept: text/event-stream sends the same again
// and again. The list of ledgers takes ?sort=<column> (-<column> for the other
// direction), ?state=, ?q=<text>, ?limit=<rows> and ?after=<cursor>. The pages
// load nothing from another host, and work without their script.
//
// [Handler] makes the pages and mounts what others answer with. [Listen] serves
// them, or any other handler, on a loopback address or a unix socket, and on other
// addresses to who has a token or a certificate: they tell who this node talks to.
package debug
