//go:build simulation

package planted

var present Fault

// Plant makes a fault present, or none, in place of the one before. Nothing may
// run meanwhile.
func Plant(f Fault) { present = f }

// Is reports whether a fault is planted.
func Is(f Fault) bool { return f == present }

// Survivors plants one fault after the other, and returns those with which play, which
// returns what is wrong, finds nothing in any of so many sequences.
func Survivors(faults []Fault, sequences int, play func(seed uint64) error) (all []Fault) {
	defer Plant(None)
	for _, f := range faults {
		Plant(f)
		seed := 0
		for seed < sequences && play(uint64(seed)) == nil {
			seed++
		}
		if seed == sequences {
			all = append(all, f)
		}
	}
	return all
}
