package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"unicode"
)

// formatBytes writes a size for people, in units of 1,024.
func formatBytes(n uint64) string {
	const units = "KMGTPE"
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	size, unit := float64(n)/1024, 0
	for size >= 1024 && unit < len(units)-1 {
		size /= 1024
		unit++
	}
	return fmt.Sprintf("%.1f %ciB", size, units[unit])
}

// plural writes a count of things.
func plural(n uint64, singular, several string) string {
	if n == 1 {
		return "1 " + singular
	}
	return strconv.FormatUint(n, 10) + " " + several
}

// printable quotes a name that would do something to a terminal. Names in a DAG
// are somebody else's.
func printable(name string) string {
	if strings.IndexFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) < 0 {
		return name
	}
	return strconv.Quote(name)
}

// newTable returns a writer of lines whose cells end with a tab: it makes columns of
// them when it is flushed.
func newTable(w io.Writer) *tabwriter.Writer { return tabwriter.NewWriter(w, 0, 0, 2, ' ', 0) }
