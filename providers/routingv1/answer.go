package routingv1

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/souk-p2p/souk/providers/record"
)

// How long caches may keep an answer, in seconds. With a record it is shorter than
// the five minutes that are usual: a tracker spreads load by answering each with
// other providers, and whoever announced for a minute is gone after one.
var (
	cacheSome = cacheControl(record.MinTTL, 10*time.Minute, record.MaxTTL)
	cacheNone = cacheControl(15*time.Second, time.Minute, time.Minute)
)

func cacheControl(fresh, refreshing, failing time.Duration) string {
	return fmt.Sprintf("public, max-age=%d, stale-while-revalidate=%d, stale-if-error=%d",
		fresh/time.Second, refreshing/time.Second, failing/time.Second)
}

// writeEntries answers. That there is none is an answer, too.
func writeEntries(w http.ResponseWriter, media string, entries []entry) {
	var body bytes.Buffer
	if err := encode(&body, media, entries); err != nil {
		writeError(w, err)
		return
	}
	header := w.Header()
	header.Set("Content-Type", media)
	header.Set("Content-Length", strconv.Itoa(body.Len()))
	header.Set("Vary", "Accept")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Last-Modified", time.Now().UTC().Format(http.TimeFormat))
	header.Set("Cache-Control", cacheSome)
	if len(entries) == 0 {
		header.Set("Cache-Control", cacheNone)
	}
	_, _ = w.Write(body.Bytes()) // Who asked has gone, then.
}

func encode(body *bytes.Buffer, media string, entries []entry) error {
	encoder := json.NewEncoder(body)
	encoder.SetEscapeHTML(false)
	if media == typeJSON {
		return encoder.Encode(struct{ Providers []entry }{append([]entry{}, entries...)})
	}
	for _, e := range entries {
		if err := encoder.Encode(e); err != nil {
			return err
		}
	}
	return nil
}

// writeError says in a line why there is no answer.
func writeError(w http.ResponseWriter, err error) {
	r := &refusal{status: http.StatusInternalServerError, text: "no answer"}
	errors.As(err, &r)
	w.Header().Set("Cache-Control", "no-store")
	if r.after > 0 {
		w.Header().Set("Retry-After", strconv.FormatInt(int64((r.after+time.Second-1)/time.Second), 10))
	}
	http.Error(w, r.text, r.status)
}

// acceptable chooses the type of an answer: JSON, unless the request names NDJSON
// and does not like it less.
func acceptable(accepts []string) (string, error) {
	if len(accepts) == 0 {
		return typeJSON, nil
	}
	var list, stream float64
	for accept := range strings.SplitSeq(strings.Join(accepts, ","), ",") {
		media, params, err := mime.ParseMediaType(accept)
		if err != nil {
			continue
		}
		switch media {
		case typeNDJSON:
			stream = max(stream, quality(params))
		case typeJSON, "application/*", "*/*":
			list = max(list, quality(params))
		}
	}
	switch {
	case stream > 0 && stream >= list:
		return typeNDJSON, nil
	case list > 0:
		return typeJSON, nil
	}
	return "", refuse(http.StatusNotAcceptable, "%s and %s are served", typeJSON, typeNDJSON)
}

// quality is how much a type is liked, from 0 to 1.
func quality(params map[string]string) float64 {
	text, said := params["q"]
	if !said {
		return 1
	}
	q, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(q) {
		return 0
	}
	return min(q, 1)
}
