package main

import (
	"io"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/souk-p2p/souk/adapter/unixfs"
)

// progress draws a bar while something is added or fetched. A nil progress draws
// nothing.
type progress struct {
	what string
	out  io.Writer
	bar  *progressbar.ProgressBar // from the first event on
}

// newProgress returns a bar on standard error if that is a terminal and the
// output is meant for people, and nil otherwise.
func (a *app) newProgress(what string) *progress {
	if !a.terminal || a.json {
		return nil
	}
	return &progress{what: what, out: a.err}
}

// hook is what the bar listens to.
func (p *progress) hook() func(unixfs.Event) {
	if p == nil {
		return nil
	}
	return func(e unixfs.Event) {
		total := int64(e.Total)
		switch {
		case p.bar == nil:
			p.begin(total)
		case total > 0 && p.bar.GetMax64() > 0 && total != p.bar.GetMax64():
			p.bar.ChangeMax64(total)
		}
		p.bar.Set64(int64(e.Done)) // fails only in drawing
	}
}

// begin draws the bar for a total, or a spinner where that is not known.
func (p *progress) begin(total int64) {
	if total == 0 {
		total = -1
	}
	p.bar = progressbar.NewOptions64(total,
		progressbar.OptionSetWriter(p.out),
		progressbar.OptionSetDescription(p.what),
		progressbar.OptionShowBytes(true),
		progressbar.OptionShowTotalBytes(true),
		progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionClearOnFinish(),
	)
}

// end takes the bar away.
func (p *progress) end() {
	if p != nil && p.bar != nil {
		p.bar.Finish()
	}
}
