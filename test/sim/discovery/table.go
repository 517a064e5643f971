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
	{"         run", (*Outcome).name},
	{"fetches", func(o *Outcome) string { return fmt.Sprint(len(o.Costs)) }},
	{"requests", func(o *Outcome) string { return fmt.Sprintf("%.1f", o.requests().mean()) }},
	{"  most", func(o *Outcome) string { return fmt.Sprintf("%.0f", o.requests().most()) }},
	{"queries", mean(func(c *Cost) int { return c.Queries })},
	{"   wants", mean(func(c *Cost) int { return c.Wants })},
	{"re-asks", mean(func(c *Cost) int { return c.Reasks })},
	{"dials", mean(func(c *Cost) int { return c.Dials })},
	{" cancels", mean(func(c *Cost) int { return c.Cancels })},
	{"candidate", func(o *Outcome) string {
		trips := o.of(func(c *Cost) float64 { return c.Trips })
		return fmt.Sprintf("%.1f, %.1f", trips.at(0.5), trips.at(0.99))
	}},
	{"      block", func(o *Outcome) string {
		took := o.of(func(c *Cost) float64 { return c.Took.Seconds() })
		return fmt.Sprintf("%.2f, %.1f s", took.at(0.5), took.at(0.99))
	}},
	{"  served", func(o *Outcome) string { return fmt.Sprintf("%.2f %%", 100*o.Success(false)) }},
	{"      all", func(o *Outcome) string { return fmt.Sprintf("%.2f %%", 100*o.Success(true)) }},
	{"messages", func(o *Outcome) string {
		return fmt.Sprintf("%.1f/s", o.busiest(func(p *passed) int { return p.Messages }))
	}},
	{"    traffic", func(o *Outcome) string {
		return fmt.Sprintf("%.2f KiB/s", o.busiest(func(p *passed) int { return p.Bytes })/1024)
	}},
	{"     rows", func(o *Outcome) string { return fmt.Sprint(o.Rows) }},
	{" a row", func(o *Outcome) string { return fmt.Sprintf("%d B", o.RowBytes) }},
	{"verifier", func(o *Outcome) string { return either(o.Signed, "Ed25519", "hash") }},
	{"announcers", func(o *Outcome) string { return either(o.Announcers, "actors", "records") }},
}

// Legend says what the columns are.
const Legend = `A fetch is one block, wanted by a node that knows nobody but the peers that it is connected to.
requests: questions to trackers, wants, wants again and dials of a fetch, on average; most: of any fetch. In a flood
          that asks one peer in so many, each stands for as many.
candidate: when the first is named, in round trips to the first tracker of the namespace: median and 99 % of the fetches.
block: when it is there, likewise in seconds. served: where two of the three trackers of the namespace were honest and up
       when the fetch began; all: everywhere. A block that nobody has who is up is not asked for.
messages, traffic: of the busiest tracker. a row: memory beside its record.
verifier: what stands for signatures. announcers: the product's actors, or records that follow their rules.
Peers that are asked have the engine's actors, the first 64 of each fetch; the others are records with the engine's rule.
5 % of the peers leave in a minute, for 5 minutes on average; a tenth of the holders are gone for ever before the first
fetch. Half of the copies are whole; others have some of everything, a quarter of the shards or, in the hot namespace, 4.
`

func either(is bool, yes, no string) string {
	if is {
		return yes
	}
	return no
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

// busiest is what the busiest tracker had in a second.
func (o *Outcome) busiest(of func(p *passed) int) float64 {
	most := 0
	for i := range o.Passed {
		most = max(most, of(&o.Passed[i]))
	}
	return float64(most) / o.Span.Seconds()
}

// Head is the titles of the table.
func Head() string {
	var b strings.Builder
	for _, c := range columns {
		fmt.Fprintf(&b, "%*s", len(c.title)+2, c.title)
	}
	return b.String() + "\n"
}

// Line is a run in the table.
func (o *Outcome) Line() string {
	var b strings.Builder
	for _, c := range columns {
		fmt.Fprintf(&b, "%*s", len(c.title)+2, c.of(o))
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
