package debug

import (
	"context"
	"errors"
	"net"
	"net/http"
)

// Serve is [Listen] on a listener that is there, which it closes. What others can
// reach, which a unix socket is not taken to be, needs a token or a certificate.
func Serve(ctx context.Context, l net.Listener, h http.Handler, cfg ListenConfig) (*Server, error) {
	s, err := serve(ctx, l, h, cfg)
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return s, nil
}

func serve(ctx context.Context, l net.Listener, h http.Handler, cfg ListenConfig) (*Server, error) {
	secure, err := cfg.settle()
	if err != nil {
		return nil, err
	}
	if l.Addr().Network() != "unix" && !cfg.closed() {
		if _, err := loopback(ctx, l.Addr().String()); err != nil {
			return nil, err
		}
	}
	return start(ctx, l, secure, h, cfg), nil
}
