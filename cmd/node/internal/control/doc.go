// Package control lets commands use the node that has their repository open. It
// is HTTP/1.1 over the repository's Unix socket, which only the user of the
// node may open; it is not the debug page, which is for people and has no verbs.
//
//	GET    /version                  which control API the node speaks; the one call that never changes
//	GET    /v2/node                  node.Info
//	GET    /v2/health                Health
//	GET    /v2/ledgers               []ledger.Receipt
//	GET    /v2/ledgers/{peer}        ledger.Receipt
//	POST   /v2/blocks                store the blocks of the body
//	POST   /v2/sessions              open a fetching session; lasts as long as the connection of the call
//	POST   /v2/sessions/{id}/blocks  fetch blocks within a session
//	GET    /v2/blocks/{cid}          size of a block that is stored
//	POST   /v2/blocks/removals       remove single blocks
//	POST   /v2/holds                 keep garbage collection away; lasts as long as the connection of the call
//	GET    /v2/pins[?verify=true]    node.PinStatus, one a line
//	POST   /v2/pins                  fetch and pin: progress, and then the pin
//	POST   /v2/pins/removals         unpin
//	POST   /v2/garbage               collect garbage: progress, and then node.GarbageResult
//	POST   /v2/verifications         hash what is stored: progress, broken blocks, and then node.VerifyResult
//	GET    /v2/quarantine            node.QuarantinedBlock, one a line
//	DELETE /v2/quarantine/{cid}      remove what was put aside: node.QuarantinedBlock
//	POST   /v2/documents             import: progress, and then document.Info
//	GET    /v2/documents             document.Info, one a line
//	GET    /v2/document?of=…         document.Info of a name or an ID
//	GET    /v2/documents/{id}/entries[?prefix=HEX]  document.Entry, one a line
//	GET    /v2/documents/{id}/missing  document.Lack, one a line
//	POST   /v2/documents/{id}/policy set the policy: {"policy": "…"}
//	POST   /v2/documents/{id}/sync   sync: progress, and then node.SyncProgress
//	DELETE /v2/documents/{id}/sync   end that
//	GET    /v2/documents/{id}/status node.DocumentStatus
//	DELETE /v2/documents/{id}        remove a document: document.Info
//	GET    /v2/usage                 node.Usage
//	GET    /v2/trackers              []node.Tracker
//	GET    /v2/announcements         []node.Announced
//	POST   /v2/announcements         announce a namespace: repo.Announcement
//	POST   /v2/withdrawals           take back what was announced: {"namespace": "…"}
//	GET    /v2/peers                 []souk.PeerStat
//	POST   /v2/connections           connect: {"peer": "/ip4/…/p2p/…"}
//	POST   /v2/disconnections        disconnect: {"peer": "…"}
//	POST   /v2/wants                 souk.WantPage of {"direction": "sent", "peer": "…", "after": …, "limit": …}
//	GET    /v2/open-sessions         []souk.SessionStat, those above ?after=
//	GET    /v2/open-sessions/{id}    souk.SessionDetail
//	GET    /v2/stat                  node.Stat
//	POST   /v2/searches              ask trackers who holds a namespace
//	GET    /v2/settings              []config.Setting, without secrets
//	GET    /v2/log/levels            []logs.Subsystem
//	POST   /v2/log/levels            give a subsystem a level: {"subsystem": "…", "level": "…"}
//
// Blocks travel as frames in bodies of type application/vnd.souk.blocks:
//
//	'b' uvarint(length) CID  uvarint(length) data      a block
//	'e' uvarint(length) JSON                           the end: {} or an error
//
// What comes bit by bit is JSON, one object a line, of type application/x-ndjson:
//
//	{"progress": …}  {"value": …}  {"end": true}  {"end": true, "error": {…}}
//
// A body without its end frame, or the line with "end", was cut off. Everything else is JSON; what fails
// before a body began has a status of 400 or more and an error for its body:
//
//	{"code": "not_found", "message": "…"}
//
// The client reads and writes the user's files and computes the DAGs, so the
// node needs neither access to those files nor trust in their names: only
// blocks cross the socket. Who closes the connection of a call ends the call,
// and who closes the one that opened a session ends all fetches in it.
package control

// Version is the control API that this package speaks. It changes when an older
// client or node could misunderstand a newer one.
const Version = 2
