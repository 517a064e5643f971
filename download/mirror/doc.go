// Package mirror is the actor that has what is missing of documents fetched, and goes on
// until all that their policies cover is here.
//
// Each document that is synced is gone through in rounds. A round takes from the store,
// in the order of keys, what the policy covers and what is not complete here, has it
// fetched, and ends when all of that has ended. When something has failed the document
// rests, and another round follows; otherwise it is idle. A change of its policy ends
// what is covered no more and begins a round at once; a deletion of blocks begins one a
// moment later. What was under way when a round begins is left to the fetch that there
// is. What is missing is asked of the store every time, so nothing has to be remembered.
//
// Owns: which documents are synced, with the policy that was last heard of each; the
// round of each and how far it has come; what is under way, what has failed and what was
// left behind; who waits for a document.
//
// Receives: sync, cancel, wait and questions from callers; from workers the policies of
// documents, what is missing, one entry at a time, and how a fetch has ended; that
// documents were changed, and that blocks were deleted.
//
// Sends: looks at the policies of up to 256 documents, one at a time; scans, each to a
// worker that goes through what is missing of a document from a key on, and asks for each
// entry whether it is to go on; fetches, each to a worker; answers to who waits.
//
// Bounds: Config.Window entries of a document under way, Config.Fetches of all; four
// scans, for which documents stand in line; a document that is idle, or rests, has no
// goroutine and takes some hundred bytes beside its policy; 16 failures with their
// reasons; 64 requests; of how far a fetch is the last word, which is looked at when
// somebody asks. A scan begins when there is room for half a window, and has what it
// finds fetched at once. While there is no room it waits, unless another document is in
// line: then it ends, and the next goes on where it was, with less room than that only
// while nobody is in line.
//
// Ordering: what a caller asks for is done in the order in which it is asked; a change
// or deletion from before a call counts in it.
//
// Shutdown: Close ends all calls and waits for them, 2 s at most. A Fetch or Look that
// was told to end and has not returned after 10 s is left behind, and said of: it keeps
// its place among Config.Fetches or the scans until it returns, its entry is not fetched
// again before that, and nobody waits for it.
package mirror
