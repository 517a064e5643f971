//go:build unix

package docs

import (
	"fmt"
	"regexp"
	"strings"
)

var (
	placeholder = regexp.MustCompile(`[^\s'"=,]+…`)
	address     = regexp.MustCompile(`/ip4/[0-9.]+/tcp/[0-9]+/p2p/\w+(?:/p2p-circuit/p2p/\w+)?`)
)

// fill puts what was printed before in the places of words that end in "…".
func fill(text, printed string) (string, error) {
	var err error
	filled := placeholder.ReplaceAllStringFunc(text, func(word string) string {
		value := meant(strings.TrimSuffix(word, "…"), printed)
		if value == "" {
			err = fmt.Errorf("nothing that was printed before is %s", word)
		}
		return value
	})
	return filled, err
}

// meant is the last word that was printed and begins so. Of addresses the last one
// that is not loopback comes first.
func meant(begin, printed string) string {
	if !strings.HasPrefix(begin, "/ip4/") {
		all := regexp.MustCompile(`\b`+regexp.QuoteMeta(begin)+`[A-Za-z0-9-]+`).FindAllString(printed, -1)
		return last(all)
	}
	var far, near []string
	for _, a := range address.FindAllString(printed, -1) {
		if strings.HasPrefix(a, "/ip4/127.") {
			near = append(near, a)
		} else {
			far = append(far, a)
		}
	}
	if len(far) > 0 {
		return last(far)
	}
	return last(near)
}

func last(all []string) string {
	if len(all) == 0 {
		return ""
	}
	return all[len(all)-1]
}

// compare says where what was printed is not what the page shows.
func compare(shown, printed string) error {
	var pattern strings.Builder
	for _, line := range strings.Split(strings.TrimSpace(shown), "\n") {
		if line == "…" {
			pattern.WriteString(`(?:[^\n]*\n)*`)
			continue
		}
		for i, part := range strings.Split(strings.TrimRight(line, " "), "…") {
			if i > 0 {
				pattern.WriteString(`[^\n]*`)
			}
			pattern.WriteString(regexp.QuoteMeta(part))
		}
		pattern.WriteString(` *\n`)
	}
	if !regexp.MustCompile("^" + pattern.String() + "$").MatchString(strings.TrimSpace(printed) + "\n") {
		return fmt.Errorf("the page shows\n%s\nand what is printed is\n%s", shown, printed)
	}
	return nil
}
