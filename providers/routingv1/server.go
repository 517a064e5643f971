package routingv1

import (
	"io"
	"log"
	"net/http"
	"time"
)

// NewServer returns a server whose bounds are for anybody on the internet:
// requests are small and answers come at once. It logs nothing; set ErrorLog to
// hear of it. Whoever serves on a public address bounds the listener's connections,
// too, or leaves that to a proxy.
func NewServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      answerTime + 20*time.Second, // the time of the source, and of 100 KiB to a slow reader
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    8 << 10,
		ErrorLog:          log.New(io.Discard, "", 0),
	}
}
