package sim

import (
	"runtime"
	"time"
)

// Usage is what a process holds.
type Usage struct {
	Goroutines int
	Heap       uint64 // bytes
}

// Rest lets what lingers end, which takes a virtual minute, and returns what is
// left.
func Rest() Usage {
	time.Sleep(time.Minute)
	return Use()
}

// Use returns what is in use at the moment, without garbage.
func Use() Usage {
	runtime.GC()
	runtime.GC() // what finalizers and pools held
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return Usage{Goroutines: runtime.NumGoroutine(), Heap: m.HeapAlloc}
}
