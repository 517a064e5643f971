package debug

import (
	"fmt"
	"strings"
	"time"

	"github.com/souk-p2p/souk/ledger"
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
func draw(history []ledger.Traffic, each time.Duration) *graph {
	var most, received, sent uint64
	for _, of := range history {
		most = max(most, of.Received, of.Sent)
		received += of.Received
		sent += of.Sent
	}
	if most == 0 {
		return nil
	}
	from, top := history[0].From, float64(most)/each.Seconds()
	g := &graph{
		Width: graphWidth, Height: graphHeight, Middle: graphHeight / 2, Top: top,
		From: from, To: history[len(history)-1].From.Add(each),
		Sum: fmt.Sprintf("%s received and %s sent, at most %s", size(float64(received), "B"), size(float64(sent), "B"), rate(top)),
	}
	g.Received = g.path(history, each, func(of ledger.Traffic) float64 { return -float64(of.Received) / float64(most) })
	g.Sent = g.path(history, each, func(of ledger.Traffic) float64 { return float64(of.Sent) / float64(most) })
	return g
}

// path draws one step for each part of the history, from the middle line and back
// to it; share is from -1 to 1.
func (g *graph) path(history []ledger.Traffic, each time.Duration, share func(ledger.Traffic) float64) string {
	var d strings.Builder
	fmt.Fprintf(&d, "M0 %d", g.Middle)
	for _, of := range history {
		y := float64(g.Middle) * (1 + share(of))
		fmt.Fprintf(&d, "L%.1f %.1fL%.1f %.1f", g.x(of.From), y, g.x(of.From.Add(each)), y)
	}
	fmt.Fprintf(&d, "L%d %dZ", g.Width, g.Middle)
	return d.String()
}

func (g *graph) x(at time.Time) float64 {
	share := float64(at.Sub(g.From)) / float64(g.To.Sub(g.From))
	return float64(g.Width) * min(max(share, 0), 1)
}
