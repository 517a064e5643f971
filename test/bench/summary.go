package main

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"

	"github.com/souk-p2p/souk/test/internal/figure"
)

// A line of the summary shows a few values of the scenarios that match.
type line struct {
	suite    string
	scenario *regexp.Regexp
	shows    []shown
}

// shown is a value, or its ratio to another make or to the ideal.
type shown struct{ value, over string }

func (s shown) String() string {
	if s.over != "" {
		return s.value + " / " + s.over
	}
	return s.value
}

var overIdeal = shown{"time", ideal}

// lines are what the summary tells: a few scenarios of each suite, with the sizes
// that are published.
var lines = []line{
	{"virtual", regexp.MustCompile(`^fan-out to 16, `), []shown{overIdeal, {value: "copies"}}},
	{"virtual", regexp.MustCompile(`^flood of 4000 `), []shown{overIdeal}},
	{"virtual", regexp.MustCompile(`^chain of 50, `), []shown{overIdeal}},
	{"virtual", regexp.MustCompile(`^bulk from [14], .* 100 Mb/s`), []shown{overIdeal}},
	{"virtual", regexp.MustCompile(`^3 seeds with own links, .* 100/50/10 Mb/s`), []shown{overIdeal}},
	{"virtual", regexp.MustCompile(`^2 seeds, 1 slows`), []shown{{value: "time to steady"}, {value: "stall"}}},
	{"wall", regexp.MustCompile(`^bulk, .* x 256 KiB, TCP Noise`), []shown{{value: "throughput to bare"}, {value: "CPU to bare"}}},
	{"wall", regexp.MustCompile(`^small, \d+ calls .* x 1 KiB, TCP Noise`), []shown{{value: "blocks a second"}}},
	{"wall", regexp.MustCompile(`^\d+ wants`), []shown{{value: "memory of a want"}}},
	{"get", regexp.MustCompile(`over tcp`), []shown{{value: "speed"}}},
}

// summary is a table with a line for each scenario and a column for each make.
func summary(rows []figure.Row) string {
	var b strings.Builder
	b.WriteString("| | bare | boxo | Souk |\n|---|---:|---:|---:|\n")
	for _, t := range tables(rows) {
		for _, l := range lines {
			l.write(&b, t)
		}
	}
	return b.String()
}

func (l line) write(b *strings.Builder, t *table) {
	above := ""
	for _, r := range t.ordered() {
		if r.Suite != l.suite || r.Scenario == above || !l.scenario.MatchString(r.Scenario) {
			continue
		}
		above = r.Scenario
		fmt.Fprintf(b, "| %s: %s |", r.Scenario, join(l.shows, func(s shown) string { return s.in(t, r.Scenario) }))
		for _, m := range []string{"bare", "boxo", "souk"} {
			fmt.Fprintf(b, " %s |", join(l.shows, func(s shown) string { return t.show(r.Scenario, m, s) }))
		}
		b.WriteString("\n")
	}
}

// join writes several values into one cell, or that there is none.
func join(shows []shown, of func(shown) string) string {
	all := make([]string, len(shows))
	for i, s := range shows {
		all[i] = of(s)
	}
	if missing := number(nothing); !slices.ContainsFunc(all, func(s string) bool { return s != missing }) {
		return missing
	}
	return strings.Join(all, "; ")
}

// nothing is a value that was not measured.
var nothing = figure.Value{Number: math.NaN()}

// in is what a value is called, with its unit.
func (s shown) in(t *table, scenario string) string {
	for _, r := range t.rows {
		for _, v := range r.Values {
			if r.Scenario == scenario && v.Name == s.value && s.over == "" {
				return named(v)
			}
		}
	}
	return s.String()
}

// show is a value of a make in a scenario.
func (t *table) show(scenario, made string, s shown) string {
	for _, r := range t.rows {
		if r.Scenario != scenario || r.Make != made {
			continue
		}
		if s.over != "" {
			return number(figure.Value{Unit: "x", Number: t.ratio(r, s.over)})
		}
		for _, v := range r.Values {
			if v.Name == s.value {
				return number(v)
			}
		}
	}
	return number(nothing)
}
