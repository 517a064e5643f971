package main

import (
	"runtime"
	"time"
)

// usage is what a process has spent since its start.
type usage struct {
	CPU     time.Duration // user and system
	Bytes   uint64        // allocated
	Objects uint64        // allocated
}

func used() usage {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return usage{CPU: processorTime(), Bytes: m.TotalAlloc, Objects: m.Mallocs}
}

func (u usage) plus(v usage) usage {
	return usage{CPU: u.CPU + v.CPU, Bytes: u.Bytes + v.Bytes, Objects: u.Objects + v.Objects}
}

func (u usage) minus(v usage) usage {
	return usage{CPU: u.CPU - v.CPU, Bytes: u.Bytes - v.Bytes, Objects: u.Objects - v.Objects}
}
