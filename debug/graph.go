package debug

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// The size of a graph in units of its own; the page stretches it.
const (
	graphWidth  = 720
	graphHeight = 160
)

// graph is a history as a picture: what was received upwards from the middle,
// what was sent downwards.
type graph struct {
	Width, Height, Middle int
	Received, Sent        string // paths of SVG
	From, To              time.Time
	Top                   float64 // bytes a second at the upper and lower edge
	Sum                   string  // for who cannot see it
}

// draw returns nil for a history that has nothing in it.
func draw(history []Sample) *graph {
	var top float64
	var received, sent uint64
	for _, s := range history {
		top = max(top, s.rate(s.Received), s.rate(s.Sent))
		received += s.Received
		sent += s.Sent
	}
	if len(history) == 0 || top == 0 {
		return nil
	}
	first, last := history[0], history[len(history)-1]
	g := &graph{Width: graphWidth, Height: graphHeight, Middle: graphHeight / 2, From: first.Start, To: last.Start.Add(last.Length), Top: top}
	g.Received = g.path(history, func(s Sample) float64 { return -s.rate(s.Received) })
	g.Sent = g.path(history, func(s Sample) float64 { return s.rate(s.Sent) })
	g.Sum = fmt.Sprintf("%s received and %s sent, at most %s", size(float64(received), "B"), size(float64(sent), "B"), rate(top))
	return g
}

// rate is in bytes a second.
func (s Sample) rate(bytes uint64) float64 { return float64(bytes) / max(s.Length.Seconds(), 1) }

// path draws one step for each sample, from the middle line and back to it.
func (g *graph) path(history []Sample, of func(Sample) float64) string {
	var d strings.Builder
	fmt.Fprintf(&d, "M0 %d", g.Middle)
	for _, s := range history {
		y := float64(g.Middle) * (1 + of(s)/g.Top)
		fmt.Fprintf(&d, "L%.1f %.1fL%.1f %.1f", g.x(s.Start), y, g.x(s.Start.Add(s.Length)), y)
	}
	fmt.Fprintf(&d, "L%d %dZ", g.Width, g.Middle)
	return d.String()
}

func (g *graph) x(at time.Time) float64 {
	share := float64(at.Sub(g.From)) / math.Max(float64(g.To.Sub(g.From)), 1)
	return float64(g.Width) * min(max(share, 0), 1)
}
