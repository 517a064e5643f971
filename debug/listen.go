package debug

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"go.uber.org/zap"
)

// The bounds of a connection. Answers are small and come at once, but a CPU
// profile takes the 30 s that net/http/pprof measures by default.
const (
	headerTime = 5 * time.Second
	readTime   = 10 * time.Second
	writeTime  = 90 * time.Second
	idleTime   = 60 * time.Second
	closeTime  = time.Second
	maxHeader  = 16 << 10
)

// NotLoopbackError reports an address that others could reach.
type NotLoopbackError struct {
	Address string // as given
	Why     string
}

// Error implements error.
func (e *NotLoopbackError) Error() string {
	return fmt.Sprintf("debug: will not listen on %q: %s; use 127.0.0.1, [::1] or localhost, and a tunnel from elsewhere", e.Address, e.Why)
}

// Server serves a handler on a loopback address.
type Server struct {
	http     http.Server
	listener net.Listener
	done     chan struct{} // closed when the serving goroutine has ended
	cancel   func()        // ends the context of every request, and with it the server
}

// Listen serves h on addr ("host:port", port 0 for any) until ctx ends or Close
// is called. The host must be a loopback address or a name that means nothing
// else, or it returns a *[NotLoopbackError]. Requests are refused whose Host
// header is not a loopback name: that is a page of another site which lets its
// own name point here. A nil log is silent.
func Listen(ctx context.Context, addr string, h http.Handler, log *zap.Logger) (*Server, error) {
	if log == nil {
		log = zap.NewNop()
	}
	local, err := loopback(ctx, addr)
	if err != nil {
		return nil, err
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", local)
	if err != nil {
		return nil, fmt.Errorf("debug: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	s := &Server{listener: listener, done: make(chan struct{}), cancel: cancel}
	s.http = http.Server{
		Handler:           withHeaders(onlyLoopbackNames(h)),
		ReadHeaderTimeout: headerTime,
		ReadTimeout:       readTime,
		WriteTimeout:      writeTime,
		IdleTimeout:       idleTime,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          zap.NewStdLog(log),
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	go s.serve(log)
	context.AfterFunc(ctx, func() { _ = s.Close() })
	return s, nil
}

func (s *Server) serve(log *zap.Logger) {
	defer close(s.done)
	log.Info("debug pages served", zap.Stringer("address", s.listener.Addr()))
	if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
		log.Error("debug pages ended", zap.Error(err))
	}
}

// Addr is the address that is listened on.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Close stops listening, ends the context of every request, waits up to a
// second for their answers and cuts off the rest. It may be called more than
// once.
func (s *Server) Close() error {
	s.cancel()
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = s.http.Close()
	}
	<-s.done
	return err
}

// loopback returns addr with its host as a loopback address.
func loopback(ctx context.Context, addr string) (string, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "", fmt.Errorf("debug: %w", err)
	}
	if host == "" {
		return "", &NotLoopbackError{Address: addr, Why: "without a host it is every address of this machine"}
	}
	ips, err := resolve(ctx, host)
	if err != nil {
		return "", fmt.Errorf("debug: %w", err)
	}
	for _, ip := range ips {
		if !ip.Unmap().IsLoopback() {
			return "", &NotLoopbackError{Address: addr, Why: fmt.Sprintf("%s is not a loopback address", ip)}
		}
	}
	return net.JoinHostPort(ips[0].String(), port), nil
}

// resolve returns the addresses of a host, at least one.
func resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	if ip, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{ip}, nil
	}
	return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
}

// onlyLoopbackNames refuses requests that were addressed to another name.
func onlyLoopbackNames(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isLoopbackName(r.Host) {
			http.Error(w, "this server answers to loopback names only", http.StatusMisdirectedRequest)
			return
		}
		h.ServeHTTP(w, r)
	})
}

func isLoopbackName(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = hostport // Without a port.
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// withHeaders sets what keeps a browser from doing more with an answer than
// showing it. A handler may set other values.
func withHeaders(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Content-Security-Policy",
			"default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Referrer-Policy", "no-referrer")
		header.Set("Cross-Origin-Resource-Policy", "same-origin")
		header.Set("Cross-Origin-Opener-Policy", "same-origin")
		header.Set("Cache-Control", "no-store")
		header.Add("Vary", "Accept")
		h.ServeHTTP(w, r)
	})
}
