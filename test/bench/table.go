package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/souk-p2p/souk/test/internal/figure"
)

// A table has the rows of a suite whose first value is the same quantity. The
// first value is what they are compared by.
type table struct {
	suite string
	rows  []figure.Row
}

// tables divides the rows, in the order in which their kinds first came.
func tables(rows []figure.Row) []*table {
	var all []*table
	at := make(map[[2]string]*table)
	for _, r := range rows {
		if len(r.Values) == 0 {
			continue
		}
		key := [2]string{r.Suite, r.Values[0].Name}
		if at[key] == nil {
			at[key] = &table{suite: r.Suite}
			all = append(all, at[key])
		}
		at[key].rows = append(at[key].rows, r)
	}
	return all
}

// ideal is a value that the others of its row are measured against, and no
// column of its own.
const ideal = "ideal"

// measured are columns, in the order in which they first came.
func (t *table) measured() []figure.Value {
	var all []figure.Value
	for _, r := range t.rows {
		for _, v := range r.Values {
			known := slices.ContainsFunc(all, func(o figure.Value) bool { return o.Name == v.Name })
			if v.Name != ideal && !known {
				all = append(all, v)
			}
		}
	}
	return all
}

// ratios are what the first value of a row is compared with: where a suite has
// compared each turn with what bare streams did in it, that is better.
func (t *table) ratios() []string {
	var all []string
	for _, base := range []string{ideal, "bare", "boxo"} {
		own := slices.ContainsFunc(t.measured(), func(v figure.Value) bool { return strings.HasSuffix(v.Name, " to "+base) })
		some := slices.ContainsFunc(t.rows, func(r figure.Row) bool { return !math.IsNaN(t.ratio(r, base)) })
		if some && !own {
			all = append(all, base)
		}
	}
	return all
}

// ratio is the first value of a row over that of another make in the same
// scenario, or over the ideal. It is no number where there is none.
func (t *table) ratio(r figure.Row, base string) float64 {
	if base == ideal {
		if v, ok := r.Of(ideal); ok {
			return r.Values[0].Number / v
		}
		return math.NaN()
	}
	for _, o := range t.rows {
		if o.Scenario == r.Scenario && o.Make == base && r.Make != base {
			return r.Values[0].Number / o.Values[0].Number
		}
	}
	return math.NaN()
}

// cells are the table, its head first. What repeats from the row above is left
// out of the first column.
func (t *table) cells() [][]string {
	columns, ratios := t.measured(), t.ratios()
	head := []string{"scenario", "make", named(columns[0])}
	for _, base := range ratios {
		head = append(head, "/ "+base)
	}
	for _, v := range columns[1:] {
		head = append(head, named(v))
	}
	all := [][]string{head}
	above := ""
	for _, r := range t.ordered() {
		line := []string{r.Scenario, r.Make, number(r.Values[0])}
		if r.Scenario == above {
			line[0] = ""
		}
		above = r.Scenario
		for _, base := range ratios {
			line = append(line, number(figure.Value{Unit: "x", Number: t.ratio(r, base)}))
		}
		for _, v := range columns[1:] {
			line = append(line, number(figure.Value{Unit: v.Unit, Number: valueOf(r, v.Name)}))
		}
		all = append(all, line)
	}
	return all
}

// ordered puts the rows of a scenario together, where its first was.
func (t *table) ordered() []figure.Row {
	first := make(map[string]int)
	for i, r := range t.rows {
		if _, ok := first[r.Scenario]; !ok {
			first[r.Scenario] = i
		}
	}
	rows := slices.Clone(t.rows)
	slices.SortStableFunc(rows, func(a, b figure.Row) int { return first[a.Scenario] - first[b.Scenario] })
	return rows
}

// valueOf is a value of a row, and no number where there is none.
func valueOf(r figure.Row, name string) float64 {
	if v, ok := r.Of(name); ok {
		return v
	}
	return math.NaN()
}

// named is the head of a column. That a value is a ratio shows by itself.
func named(v figure.Value) string {
	if v.Unit == "" || v.Unit == "x" {
		return v.Name
	}
	return v.Name + ", " + v.Unit
}

// number writes counts whole, ratios with two digits after the point, and
// everything else with three that count.
func number(v figure.Value) string {
	n := v.Number
	switch {
	case math.IsNaN(n):
		return "-"
	case v.Unit == "x" && n < 100:
		return strconv.FormatFloat(n, 'f', 2, 64)
	case v.Unit == "" && n == math.Trunc(n), n >= 100:
		return thousands(int64(math.Round(n)))
	case n >= 10:
		return strconv.FormatFloat(n, 'f', 1, 64)
	case n >= 1 || n == 0:
		return strconv.FormatFloat(n, 'f', 2, 64)
	}
	return strconv.FormatFloat(n, 'f', 3, 64)
}

// thousands writes a number with a comma after each three digits from the right.
func thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// printText writes the tables for a terminal.
func printText(out io.Writer, rows []figure.Row) {
	above := ""
	for _, t := range tables(rows) {
		if t.suite != above {
			fmt.Fprintln(out, title(t.suite)+":")
		}
		above = t.suite
		w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		for _, line := range t.cells() {
			fmt.Fprintln(w, strings.Join(line, "\t"))
		}
		_ = w.Flush()
		fmt.Fprintln(out)
	}
}

// markdown writes the tables of a suite for a document.
func markdown(rows []figure.Row) string {
	var b strings.Builder
	for i, t := range tables(rows) {
		if i > 0 {
			b.WriteString("\n")
		}
		for i, line := range t.cells() {
			b.WriteString("| " + strings.Join(line, " | ") + " |\n")
			if i == 0 {
				b.WriteString("|---|---" + strings.Repeat("|---:", len(line)-2) + "|\n")
			}
		}
	}
	return b.String()
}

// title says what a suite measures.
func title(name string) string {
	for _, s := range suites {
		if s.name == name {
			return s.says
		}
	}
	return name
}
