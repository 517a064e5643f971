package debug

import (
	"context"
	"embed"
	"errors"
	"net/http"
	"runtime"
	"time"
)

// Config says what the pages are about. A topic whose source is nil has a page
// that says so.
type Config struct {
	Source    Source // needed
	Tracker   TrackerSource
	Peers     PeerSource
	Wants     WantSource
	Sessions  SessionSource
	Actors    ActorSource
	Store     StoreSource
	Trackers  TrackersSource
	Refusals  RefusalSource
	Classes   ClassSource
	Services  ServiceSource
	Downloads DownloadSource

	// Draining tells whether the node finishes what it was doing and then ends. May be
	// nil.
	Draining func() bool

	// Version is that of the program.
	Version string
	// Settings returns those that the node runs with, for a bundle: what looks like
	// a secret by its name is left out of it. May be nil.
	Settings func() map[string]string
	// Log returns the last lines of the log, for a bundle. May be nil.
	Log func() []byte

	// Metrics, Live and Ready answer at /metrics, /livez and /readyz; nil for
	// nothing there. API answers at /api/v0/, where Kubo does.
	Metrics, Live, Ready, API http.Handler
	// Profiling serves net/http/pprof at /debug/pprof/.
	Profiling bool

	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Handler returns the handler of the pages. Where it is reachable for others
// than the operator, [Listen] is what asks who they are.
func Handler(cfg Config) http.Handler {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	p := &pages{Config: cfg, started: cfg.Now(), listeners: make(chan struct{}, maxListeners)}
	mux := http.NewServeMux()
	p.route(mux)
	for at, h := range map[string]http.Handler{"/metrics": cfg.Metrics, "/livez": cfg.Live, "/readyz": cfg.Ready, "/api/v0/": cfg.API} {
		if h != nil {
			mux.Handle(at, h)
		}
	}
	if cfg.Profiling {
		profiles(mux)
	}
	return withHeaders(mux)
}

func (p *pages) route(mux *http.ServeMux) {
	mux.Handle("GET /{$}", http.RedirectHandler("/debug/", http.StatusFound))
	mux.Handle("GET /debug/{$}", p.show(p.overview))
	mux.Handle("GET /debug/ledgers", p.show(p.list))
	mux.Handle("GET /debug/ledgers/{peer}", p.show(p.one))
	mux.Handle("GET /debug/sessions/{id}", p.show(p.session))
	mux.Handle("GET /debug/tracker", p.show(p.tracker))
	for _, t := range p.topics() {
		mux.Handle("GET /debug/"+t.section, p.show(p.about(t)))
	}
	mux.HandleFunc("GET /debug/vars", p.vars)
	mux.HandleFunc("GET /debug/bundle", p.bundle)
	mux.HandleFunc("POST /debug/bundle", p.bundle)
	mux.HandleFunc("GET /debug/style.css", asset("style.css"))
	mux.HandleFunc("GET /debug/souk.js", asset("souk.js"))
	mux.HandleFunc("GET /debug/icon.svg", asset("icon.svg"))
	mux.HandleFunc("/", unknown)
}

//go:embed pages
var files embed.FS

// pages answers requests for pages about a node.
type pages struct {
	Config
	started   time.Time
	listeners chan struct{} // holds a token for each stream of events
	recent    recent
}

// answer is a page before it is written.
type answer struct {
	name string // of the template
	html any
	json any
}

// maker makes the page that a request asks for.
type maker func(ctx context.Context, q *query, r *http.Request) (answer, error)

// notFound says that there is no page for what was asked for.
type notFound struct{ error }

// show answers with the page that make makes: once, or as a stream of events.
func (p *pages) show(make maker) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q, err := parse(r)
		if err != nil {
			fail(w, r, http.StatusBadRequest, err.Error())
			return
		}
		if q.events {
			p.stream(w, r, &q, make)
			return
		}
		a, err := make(r.Context(), &q, r)
		if err != nil {
			fail(w, r, statusOf(err), err.Error())
			return
		}
		a.write(w, q.html)
	})
}

func statusOf(err error) int {
	var missing *notFound
	if errors.As(err, &missing) {
		return http.StatusNotFound
	}
	return http.StatusBadRequest
}

func (a *answer) write(w http.ResponseWriter, html bool) {
	if html {
		writeHTML(w, http.StatusOK, a.name, a.html)
		return
	}
	writeJSON(w, http.StatusOK, a.json)
}

// page is what every HTML page needs. It has no JSON form.
type page struct {
	Title   string    `json:"-"`
	Section string    `json:"-"` // of the navigation
	Now     time.Time `json:"-"`
	Refresh int       `json:"-"` // seconds, 0 for never
	query   *query
}

func (p *pages) page(q *query, section, title string) page {
	return page{Title: title, Section: section, Now: p.Now(), query: q, Refresh: q.refresh}
}

// topic is one kind of thing of which a node has many, with a page, a template, and a
// part of a bundle, which are called as its section.
type topic struct {
	section, title string
	told           bool // the node tells of it
	make           func(ctx context.Context, q *query, of page) (any, error)
}

func (p *pages) topics() []topic {
	return []topic{
		{"wants", "Wants", p.Wants != nil, p.wants},
		{"sessions", "Sessions", p.Sessions != nil, p.sessions},
		{"actors", "Actors", p.Actors != nil, p.actors},
		{"resolver", "Resolver", p.Services != nil, p.resolver},
		{"downloads", "Downloads", p.Downloads != nil, p.downloads},
	}
}

// about is the page of a topic.
func (p *pages) about(t topic) maker {
	return func(ctx context.Context, q *query, _ *http.Request) (answer, error) {
		if !t.told {
			return p.silent(q, t.section, t.title)
		}
		v, err := t.make(ctx, q, p.page(q, t.section, t.title))
		return answer{name: t.section + ".html", html: v, json: v}, err
	}
}

// silent is the page of a topic of which the node tells nothing.
func (p *pages) silent(q *query, section, title string) (answer, error) {
	const says = "This node does not tell."
	return answer{
		name: "silent.html", html: struct {
			page
			Message string
		}{p.page(q, section, title), says},
		json: map[string]string{"unavailable": says},
	}, nil
}

// version is that of the program and of Go.
func (p *pages) version() string {
	if p.Version == "" {
		return runtime.Version()
	}
	return p.Version + ", " + runtime.Version()
}
