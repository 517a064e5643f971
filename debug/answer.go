package debug

import (
	"bytes"
	"cmp"
	"encoding/json"
	"html/template"
	"mime"
	"net/http"
	"strconv"
	"strings"
)

var templates = template.Must(template.New("").Funcs(formats).ParseFS(files, "pages/*.html"))

// accepts reports whether the Accept header asks for a media type.
func accepts(r *http.Request, wanted string) bool {
	for accepted := range strings.SplitSeq(r.Header.Get("Accept"), ",") {
		media, params, err := mime.ParseMediaType(accepted)
		if err != nil || media != wanted {
			continue
		}
		quality, err := strconv.ParseFloat(cmp.Or(params["q"], "1"), 64)
		return err == nil && quality > 0
	}
	return false
}

// wantsHTML reports whether the answer is for a browser.
func wantsHTML(r *http.Request) bool {
	switch r.URL.Query().Get("format") {
	case "json":
		return false
	case "html":
		return true
	}
	return accepts(r, "text/html")
}

// failure is the page of what could not be answered.
type failure struct {
	page
	Message string
}

func fail(w http.ResponseWriter, r *http.Request, status int, message string) {
	if wantsHTML(r) && !accepts(r, "text/event-stream") {
		writeHTML(w, status, "error.html", failure{page{Title: http.StatusText(status), query: &query{}}, message})
		return
	}
	writeJSON(w, status, map[string]string{"error": message})
}

func unknown(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		fail(w, r, http.StatusMethodNotAllowed, "pages are read with GET")
		return
	}
	fail(w, r, http.StatusNotFound, "there is no page "+plain(r.URL.Path))
}

// readable is up to what size JSON is written in lines: nobody reads more, and to
// break it takes as long as to make it.
const readable = 64 << 10

// writeJSON and writeHTML write an answer. That the client is gone by then is
// its own affair.
func writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil { // Half an answer would look like a whole one.
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	if len(body) <= readable {
		var lines bytes.Buffer
		_ = json.Indent(&lines, body, "", "  ") // It is JSON.
		body = lines.Bytes()
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n'))
}

func writeHTML(w http.ResponseWriter, status int, name string, v any) {
	body, err := render(name, v)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

func render(name string, v any) ([]byte, error) {
	var body bytes.Buffer
	err := templates.ExecuteTemplate(&body, name, v)
	return body.Bytes(), err
}

// asset serves a file that pages load.
func asset(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		http.ServeFileFS(w, r, files, "pages/"+name)
	}
}
