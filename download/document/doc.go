// Package document keeps documents: named collections of entries, each with a key and the
// CID of a DAG. The list of a document's entries is always here; a policy says which of
// the DAGs are to be, and [Missing] which of those are not yet.
//
// What an entry's data is, is not known here: what a block links to, and which blocks are
// stored, is asked of functions that are handed in.
//
// A [Store] is an actor that never touches the datastore. Callers read and write in their own
// goroutines, without a lock; the actor says who may, and when.
//
// Owns: whose turn it is with each document, and who waits for one; which imports are under
// way; who watches; of the marks of complete DAGs their epoch, the round, who is just writing
// some, and what is being deleted.
//
// Receives: from callers what they want, that they have it no more, and what they did.
//
// Sends: to a caller that it has what it wants, or what it has to do about the epoch of the
// marks before; to who watches that something has changed, or that blocks were deleted.
//
// Turns: whoever changes a document has a turn with it, and gives it back together with what
// it did. Those who wait for one document get it in the order in which they have asked; those
// with different documents do not wait for each other. An import needs no turn until its
// entries are written, because there is no other of the same document. Reading needs none.
//
// Marks: who looks at a DAG has asked for the round before, and gets leave to mark it only in
// the same round, which ends with each deletion, and while nothing is being deleted. From when
// somebody wants to delete nobody gets leave, and when those who had it have given it back it
// has the marks fall. With single blocks all of them do: the first to delete writes the next
// epoch, and the others wait for that; when that fails it is its failure alone, and the next
// tries. The first of all callers reads the epoch in the same way. A sweep goes through the
// marks itself, and another waits for its end.
//
// Bounds: a caller waits for one thing or has one, an import that is being written two; it
// gives back what it has when its context has ended or it has panicked. Who watches has a
// slot, with room for one note, until its context ends. There are as many of them as callers
// make, and 64 requests.
//
// Ordering: what a caller gives back is done, and who watches is told, before it goes on.
//
// Shutdown: after Close everything fails with [ErrClosed], also for those who wait. An import
// ends at its next entry. Who has a turn, or leave to mark or to delete, finishes that: Close
// waits for it, or for its context. What is given back later is of no consequence.
package document
