package debug

import (
	"net/http"
	"net/http/pprof"
	"runtime"
)

// profiles adds what go tool pprof asks for. A profile may take as long as the
// server allows, which the pages need not.
func profiles(mux *http.ServeMux) {
	for path, h := range map[string]http.HandlerFunc{
		"GET /debug/pprof/": pprof.Index, "GET /debug/pprof/cmdline": pprof.Cmdline, "GET /debug/pprof/profile": pprof.Profile,
		"GET /debug/pprof/symbol": pprof.Symbol, "POST /debug/pprof/symbol": pprof.Symbol, "GET /debug/pprof/trace": pprof.Trace,
	} {
		mux.Handle(path, patient(h))
	}
}

// patient lets an answer take its time.
func patient(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		allow(w, writeTime)
		h.ServeHTTP(w, r)
	})
}

// vars answers with counters for programs, as package expvar does, without the
// command line, on which there may be a secret.
func (p *pages) vars(w http.ResponseWriter, r *http.Request) {
	writeJSON(w, http.StatusOK, p.variables())
}

func (p *pages) variables() map[string]any {
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	rows := p.Source.Ledgers()
	return map[string]any{
		"memstats": &memory, "goroutines": runtime.NumGoroutine(), "gomaxprocs": runtime.GOMAXPROCS(0),
		"version": p.version(), "uptime_seconds": p.Now().Sub(p.started).Seconds(),
		"stat": p.Source.Stat(), "rates": total(rows).Rates, "peers": len(rows), "connected": connected(rows),
	}
}
