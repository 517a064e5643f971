// Package download decides what is fetched from whom, and when it is tried again.
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
package download
