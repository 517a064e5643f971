// Package section replaces the parts of a document that a command writes. A part
// stands between two comments that name it.
package section

import (
	"fmt"
	"os"
	"strings"
)

// Marks returns the comments between which the part is that the make target
// writes.
func Marks(name, target string) (begin, end string) {
	return fmt.Sprintf("<!-- %s: written by make %s -->", name, target), fmt.Sprintf("<!-- end of %s -->", name)
}

// Replace puts text between the comments of a part of a file.
func Replace(file, name, target, text string) error {
	old, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	begin, end := Marks(name, target)
	before, rest, found := strings.Cut(string(old), begin)
	_, after, ended := strings.Cut(rest, end)
	if !found || !ended {
		return fmt.Errorf("%s has no lines %s and %s", file, begin, end)
	}
	return os.WriteFile(file, []byte(before+begin+"\n"+text+end+after), 0o644)
}
