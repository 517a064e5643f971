// Package download decides what is fetched from whom, and when it is tried again. A
// complete program is examples/dataset.
//
// What it works with: a resource is a block with all below it, by the CID of the root; a
// node is a peer; a group is a label on resources and nodes, such as a document. An
// intent is one caller's interest in a resource: several make one transfer, and the
// last to leave ends it. Hints say which node has what, which has it not, and which
// groups resources and nodes belong to.
//
// Scheduling is by node. Whenever something has happened, each connected node with room
// is given what it is known to have, then what has waited longest in its groups, one
// at a time and those with the fewest transfers first; nodes that are as busy come in
// the order in which they answer. A node is dialled only if something waits that it may
// serve, the limits allow a connection and a transfer, and the last dial for the same
// resource was a moment ago. What is large may come from several nodes at once, who
// join one after the other when nothing waits for them.
//
// A transfer that is slow goes on with another node as soon as one that may have the
// resource has nothing to do; one that brings nothing is given up in any case.
//
// A node that has said that it has not got something is not asked for it again for ten
// minutes, or until a hint names the two together. A node that fails in another way is
// not asked for that again before all others have been tried, and rests when it fails
// twice in a row. When no node is left that may be asked, the resource pauses, and then
// begins anew with all but those that have not got it; each intent has a number of
// such retries, which counts anew whenever something has come. A node that appears
// meanwhile is tried at once. Nothing is a retry but that: neither a second node, nor a
// hint, nor a lost intent of another.
//
// What is forgotten, and when:
//   - a resource that is complete, at once;
//   - a resource without an intent: at once when neither a node, nor a group, nor a
//     refusal is known of it; otherwise as soon as its last hint is older than
//     Limits.Age and no refusal counts any more. When there are as many resources as
//     there may be, the one for which that would be first makes room for a new one;
//   - a node that is neither connected nor being dialled, when its last hint is older
//     than Limits.Age and nothing that names it, or is in one of its groups, has an
//     intent; that is looked at once in an age. What it has refused stays known;
//   - a group, with its last resource and node;
//   - a refusal, after Limits.Skip or with a hint that names the two together;
//   - any other failure of a node with a resource, with the next retry of the resource.
//
// The actor owns all that is known of resources, nodes, groups and intents, who waits
// for what, and the addresses that came with hints.
//
// Receives: intents, hints and questions from callers; from workers how far a transfer
// is, how it has ended, and that a node is connected or is not any more.
//
// Sends: transfers, each to a worker that walks the DAG over a session with the nodes of
// the transfer, takes what is here from the store, and then looks whether all of it is
// stored; connections, each to a worker that keeps one; what became of an intent, to who
// made it; events, to a goroutine that gives them to the listener.
//
// Bounds: those of [Limits]; a goroutine for each transfer and each connection, and one
// for the listener, for which 4,096 events wait; for each transfer what a walk holds, 32
// MiB of blocks and one more at most; 64 requests; one piece of news for each caller; 16
// addresses of a node.
//
// Ordering: what a caller asks for is done in the order in which it is asked; events of
// a resource come in the order in which it has happened.
//
// Shutdown: Stop ends the actor, its transfers and connections, and waits for them. What
// has come is stored and is not fetched again.
package download
