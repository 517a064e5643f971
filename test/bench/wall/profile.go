package main

import (
	"errors"
	"os"
	"runtime"
	"runtime/pprof"
)

// Allocations are sampled where a transfer is profiled and nowhere else: the
// blocks are made by this process, too.
func init() { runtime.MemProfileRate = 0 }

// sampledBytes is the distance of two samples: fine enough for objects of which
// there is one for each block.
const sampledBytes = 16 << 10

// profiled begins to write profiles to files that begin with prefix. The
// function that it returns ends that.
func profiled(prefix string) (stop func() error, err error) {
	if prefix == "" {
		return func() error { return nil }, nil
	}
	cpu, err := os.Create(prefix + ".cpu")
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(cpu); err != nil {
		return nil, errors.Join(err, cpu.Close())
	}
	runtime.MemProfileRate = sampledBytes
	return func() error {
		pprof.StopCPUProfile()
		defer func() { runtime.MemProfileRate = 0 }() // By which the samples are scaled.
		runtime.GC()                                  // A profile has what was there at the last collection.
		return errors.Join(cpu.Close(), write(prefix+".allocs", "allocs"))
	}, nil
}

func write(file, profile string) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	return errors.Join(pprof.Lookup(profile).WriteTo(f, 0), f.Close())
}
