//go:build simulation

package planted

var present Fault

// Is reports whether a fault is planted.
func Is(f Fault) bool { return f == present }

// Find plants a fault, plays runs with the seeds from zero on until one fails, and takes
// the fault out again. It returns the seed and the error of that run, and no error when
// none has found it. Nothing else may run meanwhile.
func Find(f Fault, runs int, play func(seed uint64) error) (seed uint64, err error) {
	present = f
	defer func() { present = None }()
	for seed = range uint64(runs) {
		if err = play(seed); err != nil {
			return seed, err
		}
	}
	return seed, nil
}

// Survivors are those of the faults that [Find] does not find.
func Survivors(faults []Fault, runs int, play func(seed uint64) error) (all []Fault) {
	for _, f := range faults {
		if _, err := Find(f, runs, play); err == nil {
			all = append(all, f)
		}
	}
	return all
}
