package main

import (
	"io"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/souk-p2p/souk/adapter/unixfs"
)

// How progress is shown.
const (
	progressBar  = "bar"  // on terminals, where the output is meant for people
	progressJSON = "json" // lines on standard error, for programs
	progressNone = "none"
)

// progressEvery is how often a line is written while something goes on.
const progressEvery = 200 * time.Millisecond

// progressLine is a line of JSON about what goes on. The last is there in any case,
// and says nothing about whether it went well.
type progressLine struct {
	Event   string  `json:"event"` // "progress", and "end" for the last
	What    string  `json:"what"`  // in words
	Done    uint64  `json:"done"`  // bytes
	Total   uint64  `json:"total"` // bytes; 0 while not known
	Files   uint64  `json:"files"` // that are complete
	Seconds float64 `json:"seconds"`
}

// progress draws a bar while something is added or fetched, or writes lines. A nil
// progress does nothing.
type progress struct {
	what string
	out  io.Writer
	bar  *progressbar.ProgressBar // from the first event on

	lines bool
	began time.Time
	wrote time.Time
	last  unixfs.Event
}

// newProgress returns what shows progress on standard error: a bar if that is a
// terminal and the output is meant for people, lines if they were asked for, or nil.
func (a *app) newProgress(what string) *progress {
	switch {
	case a.progress == progressJSON:
		return &progress{what: what, out: a.err, lines: true, began: time.Now()}
	case a.progress == progressNone, !a.terminal, a.json:
		return nil
	}
	return &progress{what: what, out: a.err}
}

// checkProgress finds out whether --progress is one of its values.
func (a *app) checkProgress() error {
	switch a.progress {
	case progressBar, progressJSON, progressNone:
		return nil
	}
	return usagef("--progress %q is not %s, %s or %s", a.progress, progressBar, progressJSON, progressNone)
}

// hook is what the progress listens to.
func (p *progress) hook() func(unixfs.Event) {
	switch {
	case p == nil:
		return nil
	case p.lines:
		return p.line
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

// line writes a line, unless it has written one just before.
func (p *progress) line(e unixfs.Event) {
	p.last = e
	if now := time.Now(); now.Sub(p.wrote) >= progressEvery {
		p.wrote = now
		p.write("progress", now)
	}
}

func (p *progress) write(event string, now time.Time) {
	printJSON(p.out, progressLine{
		Event: event, What: p.what, Done: p.last.Done, Total: p.last.Total, Files: p.last.Files, Seconds: now.Sub(p.began).Seconds(),
	}) // Who does not read it has no use for it.
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

// end takes the bar away, or writes the last line.
func (p *progress) end() {
	if p != nil && p.lines {
		p.write("end", time.Now())
	}
	if p != nil && p.bar != nil {
		p.bar.Finish()
	}
}

// status tells in words what goes on: on one line of a terminal that changes, or as
// lines. A nil status does nothing.
type status struct {
	*progress
	bar *progressbar.ProgressBar // nil for lines
}

// newStatus returns a status where [app.newProgress] returns a progress.
func (a *app) newStatus(what string) *status {
	p := a.newProgress(what)
	switch {
	case p == nil:
		return nil
	case p.lines:
		return &status{progress: p}
	}
	return &status{bar: progressbar.NewOptions64(-1,
		progressbar.OptionSetWriter(p.out),
		progressbar.OptionSetDescription(what),
		progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionClearOnFinish(),
	)}
}

// show says what goes on, and how many bytes are done.
func (s *status) show(what string, done int64) {
	switch {
	case s == nil:
	case s.bar != nil:
		s.bar.Describe(what)
		s.bar.Add(1) // fails only in drawing
	default:
		s.what = what
		s.line(unixfs.Event{Done: uint64(done)})
	}
}

func (s *status) end() {
	switch {
	case s == nil:
	case s.bar != nil:
		s.bar.Finish()
	default:
		s.progress.end()
	}
}
