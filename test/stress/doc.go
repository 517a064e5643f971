// Package stress has tests of whole nodes under stress: code of the embedder
// that panics or never returns, callers who never read, many sessions at once,
// shutdown under load.
package stress
