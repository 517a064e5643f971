// Package heaptest measures for tests how much memory is held.
package heaptest

import "runtime"

// Held returns how many bytes of the heap are in use once garbage is gone. It stops the
// program for as long as it takes to look at all of them, twice: what has a finalizer, or
// is in a pool, goes the second time.
func Held() int {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}
