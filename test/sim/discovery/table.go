//go:build simulation

package discovery

import (
	"fmt"
	"strings"
)

// column is a column of the table: its title and what a run has there.
type column struct {
	title string
	of    func(o *Outcome) string
}

func (o *Outcome) requests() figures {
	return o.of(func(c *Cost) float64 { return float64(c.Requests()) })
}

func mean(of func(c *Cost) int) func(o *Outcome) string {
	return func(o *Outcome) string {
		return fmt.Sprintf("%.1f", o.of(func(c *Cost) float64 { return float64(of(c)) }).mean())
	}
}

// columns are those of the table.
var columns = []column{
	{"peers", func(o *Outcome) string { return fmt.Sprint(o.Peers) }},
	{"trackers", func(o *Outcome) string { return fmt.Sprint(o.Trackers) }},
	{"run", func(o *Outcome) string { return o.name() }},
	{"fetches", func(o *Outcome) string { return fmt.Sprint(len(o.Costs)) }},
	{"requests", func(o *Outcome) string { return fmt.Sprintf("%.1f", o.requests().mean()) }},
	{"most", func(o *Outcome) string { return fmt.Sprintf("%.0f", o.requests().most()) }},
	{"queries", mean(func(c *Cost) int { return c.Queries })},
	{"wants", mean(func(c *Cost) int { return c.Wants })},
	{"re-asks", mean(func(c *Cost) int { return c.Reasks })},
	{"dials", mean(func(c *Cost) int { return c.Dials })},
	{"cancels", mean(func(c *Cost) int { return c.Cancels })},
	{"trips", func(o *Outcome) string {
		trips := o.of(func(c *Cost) float64 { return c.Trips })
		return fmt.Sprintf("%.1f-%.1f", trips.at(0.5), trips.at(0.99))
	}},
	{"took", func(o *Outcome) string {
		took := o.of(func(c *Cost) float64 { return c.Took.Seconds() })
		return fmt.Sprintf("%.2f-%.1f s", took.at(0.5), took.at(0.99))
	}},
	{"served", func(o *Outcome) string { return fmt.Sprintf("%.2f %%", 100*o.Success(false)) }},
	{"messages", func(o *Outcome) string {
		return fmt.Sprintf("%.1f/s", o.perTracker(func(p *passed) int { return p.Messages }))
	}},
	{"traffic", func(o *Outcome) string {
		return fmt.Sprintf("%.2f KiB/s", o.perTracker(func(p *passed) int { return p.Bytes })/1024)
	}},
	{"rows", func(o *Outcome) string { return fmt.Sprint(o.Rows) }},
	{"a row", func(o *Outcome) string { return fmt.Sprintf("%d B", o.RowBytes) }},
	{"verifier", func(o *Outcome) string {
		if o.Signed {
			return "Ed25519"
		}
		return "hash"
	}},
}

func (o *Outcome) name() string {
	switch {
	case o.Flood && o.Sampled > 1:
		return fmt.Sprintf("flood, 1/%d", o.Sampled)
	case o.Flood:
		return "flood"
	case o.bad():
		return "bad trackers"
	}
	return "targeted"
}

// perTracker is what the busiest tracker had in a second.
func (o *Outcome) perTracker(of func(p *passed) int) float64 {
	most := 0
	for i := range o.Passed {
		most = max(most, of(&o.Passed[i]))
	}
	return float64(most) / o.Span.Seconds()
}

func (c column) width() int { return max(len(c.title), 8) + 2 }

// Head is the titles of the table.
func Head() string {
	var b strings.Builder
	for _, c := range columns {
		fmt.Fprintf(&b, "%*s", c.width(), c.title)
	}
	return b.String() + "\n"
}

// Line is a run in the table.
func (o *Outcome) Line() string {
	var b strings.Builder
	for _, c := range columns {
		fmt.Fprintf(&b, "%*s", c.width(), c.of(o))
	}
	return b.String()
}

// Table is a few runs.
func Table(all ...*Outcome) string {
	lines := []string{strings.TrimSuffix(Head(), "\n")}
	for _, o := range all {
		lines = append(lines, o.Line())
	}
	return strings.Join(lines, "\n")
}
