// Package crash takes power, life and disk away from nodes and looks at what is
// left.
//
// Power is taken from a [Disk] in memory, around each sync that the database asks
// of it, and what was not synced is gone. Processes are killed at random moments;
// the kernel keeps what they wrote, so that this finds other mistakes. Stores
// that fail while nodes exchange blocks are in the package's tests too.
//
//	go test ./test/crash -run Kill -kills 5000 -timeout 5h
//	go test ./test/crash -run Power -ops 200
package crash
