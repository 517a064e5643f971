//go:build !simulation

package planted

// Is reports whether a fault is planted: it is not.
func Is(Fault) bool { return false }
