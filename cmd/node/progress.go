package main

import (
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/souk-p2p/souk/adapter/unixfs"
)

// progress draws a bar while something is added or fetched. A nil progress draws
// nothing.
type progress struct{ bar *progressbar.ProgressBar }

// newProgress returns a bar on standard error if that is a terminal and the
// output is meant for people, and nil otherwise.
func (a *app) newProgress(what string) *progress {
	if !a.terminal || a.json {
		return nil
	}
	return &progress{bar: progressbar.NewOptions64(-1,
		progressbar.OptionSetWriter(a.err),
		progressbar.OptionSetDescription(what),
		progressbar.OptionShowBytes(true),
		progressbar.OptionShowTotalBytes(true),
		progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionClearOnFinish(),
	)}
}

// hook is what the bar listens to.
func (p *progress) hook() func(unixfs.Event) {
	if p == nil {
		return nil
	}
	return func(e unixfs.Event) {
		if e.Total > 0 && int64(e.Total) != p.bar.GetMax64() {
			p.bar.ChangeMax64(int64(e.Total))
		}
		p.bar.Set64(int64(min(e.Done, max(e.Total, e.Done)))) // an error here is one of drawing
	}
}

// end takes the bar away.
func (p *progress) end() {
	if p != nil {
		p.bar.Finish()
	}
}
