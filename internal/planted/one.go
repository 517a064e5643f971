//go:build simulation

package planted

var present Fault

// Plant makes a fault present, or none, in place of the one before. Nothing may
// run meanwhile.
func Plant(f Fault) { present = f }

// Is reports whether a fault is planted.
func Is(f Fault) bool { return f == present }
