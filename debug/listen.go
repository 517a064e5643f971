package debug

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"go.uber.org/zap"
	"golang.org/x/net/netutil"
)

// The bounds of a connection. Answers come at once: who does not take one in
// answerTime does not read. Only a profile may take longer, 30 s as net/http/pprof
// measures by default and what it takes to send it.
const (
	headerTime = 5 * time.Second
	readTime   = 10 * time.Second
	answerTime = 20 * time.Second
	writeTime  = 90 * time.Second
	idleTime   = 30 * time.Second
	closeTime  = time.Second
	maxHeader  = 16 << 10
	// maxConns is ten times what a browser opens to one host. Who comes when all
	// are taken waits for one of them.
	maxConns = 64
)

// ListenConfig says who may see the pages. The zero ListenConfig is good for a
// loopback address and for a unix socket; any other needs a Token or a
// ClientCAFile.
type ListenConfig struct {
	// Hosts are names that a request may be addressed to, besides loopback names
	// and the IP address that it came in at: those of a proxy or a certificate.
	Hosts []string

	// Token is what requests have to come with, as "Authorization: Bearer TOKEN"
	// or in the form at /debug/login; empty asks for none. It has at least 16
	// characters. /livez and /readyz are open without it.
	Token string

	// CertFile and KeyFile hold a certificate and its key in PEM; with them, HTTPS
	// is spoken. With ClientCAFile a client needs a certificate that one of those
	// in this file has signed.
	CertFile, KeyFile, ClientCAFile string

	// Log is silent when nil.
	Log *zap.Logger
}

// minToken is far beyond guessing when the characters are random: 16 hexadecimal
// digits are 64 bits.
const minToken = 16

// settle checks the configuration, fills in what was left out, and returns how TLS is
// spoken: nil for not at all.
func (c *ListenConfig) settle() (*tls.Config, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	if c.Log == nil {
		c.Log = zap.NewNop()
	}
	return c.tls()
}

func (c *ListenConfig) validate() error {
	switch {
	case c.Token != "" && len(c.Token) < minToken:
		return fmt.Errorf("debug: the token has %d characters, fewer than %d", len(c.Token), minToken)
	case (c.CertFile == "") != (c.KeyFile == ""):
		return errors.New("debug: a certificate needs a key, and a key a certificate")
	case c.ClientCAFile != "" && c.CertFile == "":
		return errors.New("debug: certificates of clients can be asked for over TLS only: give a certificate and a key, too")
	}
	return nil
}

// closed is whether nobody gets in who has no token or certificate.
func (c *ListenConfig) closed() bool { return c.Token != "" || c.ClientCAFile != "" }

// Server serves a handler where [Listen] was told to.
type Server struct {
	http     http.Server
	listener net.Listener
	scheme   string
	done     chan struct{} // closed when the serving goroutine has ended
	cancel   func()        // ends the context of every request, and with it the server
}

// Listen serves h at an address until ctx ends or Close is called. The address is
// "host:port", with port 0 for any, or "unix:" and the path of a socket, which
// only this user can open. A host that is not a loopback address, or a name that
// means nothing else, is a *[NotLoopbackError] unless cfg asks for a token or a
// certificate.
//
// Requests are refused that other sites make a browser send: with a Host header
// that is none of cfg.Hosts (a site that lets its own name point here), with the
// origin of another site, or from within its pages.
func Listen(ctx context.Context, addr string, h http.Handler, cfg ListenConfig) (*Server, error) {
	secure, err := cfg.settle()
	if err != nil {
		return nil, err
	}
	listener, err := listenAt(ctx, addr, cfg.closed())
	if err != nil {
		return nil, err
	}
	return start(ctx, listener, secure, h, cfg), nil
}

// start serves on a listener, over TLS unless secure is nil.
func start(ctx context.Context, listener net.Listener, secure *tls.Config, h http.Handler, cfg ListenConfig) *Server {
	ctx, cancel := context.WithCancel(ctx)
	s := &Server{listener: listener, scheme: "http", done: make(chan struct{}), cancel: cancel}
	serving := netutil.LimitListener(listener, maxConns)
	if secure != nil {
		s.scheme = "https"
		serving = tls.NewListener(serving, secure)
	}
	s.http = http.Server{
		Handler:           cfg.guard(h, listener.Addr()),
		ReadHeaderTimeout: headerTime,
		ReadTimeout:       readTime,
		WriteTimeout:      writeTime,
		IdleTimeout:       idleTime,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          zap.NewStdLog(cfg.Log),
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	go s.serve(serving, cfg.Log)
	context.AfterFunc(ctx, func() { _ = s.Close() })
	return s
}

func (s *Server) serve(l net.Listener, log *zap.Logger) {
	defer close(s.done)
	log.Info("debug pages served", zap.Stringer("address", s.listener.Addr()))
	if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		log.Error("debug pages ended", zap.Error(err))
	}
}

// Addr is the address that is listened on.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// URL is where a browser, or a client of a unix socket, finds the pages.
func (s *Server) URL() string {
	if s.listener.Addr().Network() == "unix" {
		return unixPrefix + s.listener.Addr().String()
	}
	return s.scheme + "://" + s.listener.Addr().String() + "/debug/"
}

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

// tls is how TLS is spoken, and nil when it is not.
func (c *ListenConfig) tls() (*tls.Config, error) {
	if c.CertFile == "" {
		return nil, nil
	}
	pair, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("debug: certificate: %w", err)
	}
	config := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}
	if c.ClientCAFile == "" {
		return config, nil
	}
	pem, err := os.ReadFile(c.ClientCAFile)
	if err != nil {
		return nil, fmt.Errorf("debug: certificates of clients: %w", err)
	}
	config.ClientCAs, config.ClientAuth = x509.NewCertPool(), tls.RequireAndVerifyClientCert
	if !config.ClientCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("debug: certificates of clients: no certificate in PEM in %s", c.ClientCAFile)
	}
	return config, nil
}
