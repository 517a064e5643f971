// Package debug serves pages about a running node: for people in a browser, as
// JSON for programs.
//
//	/debug/ledgers          what passed between us and every peer
//	/debug/ledgers/{peer}   one of them
//	/debug/tracker          what the node keeps and answers as a tracker, if it is one
//
// A browser (Accept: text/html) gets HTML, everybody else JSON; ?format=json and
// ?format=html override that. The list takes ?sort=<column> (-<column> for the
// other direction), ?limit=<rows> and, in HTML, ?refresh=<seconds>; the tracker
// takes ?limit=<namespaces>. The pages need no script and nothing from another host.
//
// [Listen] serves them, or any other handler, on a loopback address only: they
// tell who this node talks to.
package debug
