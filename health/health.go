// Package health answers whether a node is alive, and whether it can take work, for
// whoever starts and stops it: systemd, Docker, Kubernetes, a load balancer.
package health

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// checkTime is how long a request may take: the least that probes wait by default is
// a second, of Kubernetes.
const checkTime = 900 * time.Millisecond

// Check is one thing that was looked at.
type Check struct {
	Name string `json:"name"`
	// Error is what is wrong, or empty.
	Error string `json:"error,omitempty"`
}

// Passed returns a check that an error, if there is one, has failed.
func Passed(name string, err error) Check {
	c := Check{Name: name}
	if err != nil {
		c.Error = err.Error()
	}
	return c
}

// Source is what the answers are about. Its methods return by the end of ctx, and are
// called from many goroutines.
type Source interface {
	// Live looks whether the node works at all: if not, a restart may help.
	Live(ctx context.Context) []Check
	// Ready looks whether the node can take work now: if not, send it elsewhere.
	Ready(ctx context.Context) []Check
}

// Failures are the checks that have failed, as text, one after the other.
func Failures(checks []Check) string {
	var failed []string
	for _, c := range checks {
		if c.Error != "" {
			failed = append(failed, c.Name+": "+c.Error)
		}
	}
	return strings.Join(failed, "; ")
}

// Handler answers GET /livez and GET /readyz: 200 when all is well and 503 when it is
// not, with a line for each check, or as JSON if that is what is asked for. Neither
// tells who the node is, so no secret is needed.
func Handler(src Source) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", answer(src.Live))
	mux.HandleFunc("GET /readyz", answer(src.Ready))
	return mux
}

// report is the JSON form of an answer.
type report struct {
	OK     bool    `json:"ok"`
	Checks []Check `json:"checks"`
}

func answer(look func(context.Context) []Check) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), checkTime)
		defer cancel()
		checks := look(ctx)
		says := report{OK: Failures(checks) == "", Checks: checks}
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if strings.Contains(r.Header.Get("Accept"), "application/json") {
			says.writeJSON(w)
			return
		}
		says.write(w)
	}
}

func (s report) status() int {
	if s.OK {
		return http.StatusOK
	}
	return http.StatusServiceUnavailable
}

// writeJSON and write ignore errors: who asked is gone.
func (s report) writeJSON(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(s.status())
	_ = json.NewEncoder(w).Encode(s)
}

func (s report) write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(s.status())
	for _, c := range s.Checks {
		if c.Error == "" {
			fmt.Fprintf(w, "ok %s\n", c.Name)
		} else {
			fmt.Fprintf(w, "failed %s: %s\n", c.Name, c.Error)
		}
	}
}
