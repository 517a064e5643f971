package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/souk-p2p/souk/providers/routingv1"
)

const (
	// routingConnections is how many connections are served at a time: each costs
	// some 10 KiB, and an answer takes milliseconds.
	routingConnections = 512
	routingPatience    = 2 * time.Second
)

// routingServer answers Delegated Routing V1 over HTTP for a tracker.
type routingServer struct {
	listener net.Listener
	http     *http.Server
	done     chan error
}

// serveRouting answers on a listener, or when there is none at an address, which may
// be a public one, until it is closed.
func serveRouting(ctx context.Context, address string, listener net.Listener, from routingv1.Source, log *zap.Logger) (*routingServer, error) {
	if listener == nil {
		var l net.ListenConfig
		var err error
		if listener, err = l.Listen(ctx, "tcp", address); err != nil {
			return nil, fmt.Errorf("answer over HTTP: %w (choose another address with --tracker-http)", err)
		}
	}
	s := &routingServer{listener: listener, http: routingv1.NewServer(routingv1.Handler(from, routingv1.WithLogger(log))), done: make(chan error, 1)}
	s.http.ErrorLog = zap.NewStdLog(log)
	go func() { s.done <- s.http.Serve(bound(listener, routingConnections)) }()
	return s, nil
}

// url is where the server answers.
func (s *routingServer) url() string { return "http://" + s.listener.Addr().String() }

// Close lets answers end that are being written, for a while.
func (s *routingServer) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), routingPatience)
	defer cancel()
	err := s.http.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = s.http.Close()
	}
	if served := <-s.done; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}

// boundListener has so many connections open at a time; others wait in the
// kernel's queue.
type boundListener struct {
	net.Listener
	free chan struct{} // holds one for each that is open
	done chan struct{} // closed with the listener
	once sync.Once
}

func bound(l net.Listener, most int) *boundListener {
	return &boundListener{Listener: l, free: make(chan struct{}, most), done: make(chan struct{})}
}

func (l *boundListener) Accept() (net.Conn, error) {
	select {
	case l.free <- struct{}{}:
	case <-l.done:
		return nil, net.ErrClosed
	}
	conn, err := l.Listener.Accept()
	if err != nil {
		<-l.free
		return nil, err
	}
	return &boundConn{Conn: conn, release: sync.OnceFunc(func() { <-l.free })}, nil
}

func (l *boundListener) Close() error {
	l.once.Do(func() { close(l.done) })
	return l.Listener.Close()
}

// boundConn makes room for another connection when it is closed.
type boundConn struct {
	net.Conn
	release func()
}

func (c *boundConn) Close() error {
	err := c.Conn.Close()
	c.release()
	return err
}
