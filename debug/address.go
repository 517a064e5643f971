package debug

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
)

// unixPrefix is what the address of a unix socket begins with.
const unixPrefix = "unix:"

// NotLoopbackError reports an address that others could reach.
type NotLoopbackError struct {
	Address string // as given
	Why     string
}

// Error implements error.
func (e *NotLoopbackError) Error() string {
	return fmt.Sprintf("debug: will not listen on %q: %s; use 127.0.0.1, [::1], localhost or unix:PATH and a tunnel from elsewhere, or ask for a token or for certificates of clients", e.Address, e.Why)
}

// listenAt listens on addr. Unless open to others is meant, it is an address that
// only this machine can reach.
func listenAt(ctx context.Context, addr string, others bool) (net.Listener, error) {
	var config net.ListenConfig
	if path, ok := strings.CutPrefix(addr, unixPrefix); ok {
		return listenUnix(ctx, config, path)
	}
	if !others {
		local, err := loopback(ctx, addr)
		if err != nil {
			return nil, err
		}
		addr = local
	}
	listener, err := config.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("debug: %w", err)
	}
	return listener, nil
}

// listenUnix listens on a socket that only its owner can open. One that nobody
// answers at was left by a process that has ended, and is replaced.
func listenUnix(ctx context.Context, config net.ListenConfig, path string) (net.Listener, error) {
	listener, err := config.Listen(ctx, "unix", path)
	if errors.Is(err, syscall.EADDRINUSE) && abandoned(ctx, path) {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("debug: %w", err)
		}
		listener, err = config.Listen(ctx, "unix", path)
	}
	if err != nil {
		return nil, fmt.Errorf("debug: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("debug: %w", err), listener.Close())
	}
	return listener, nil
}

// abandoned reports whether path is a socket that nobody listens on.
func abandoned(ctx context.Context, path string) bool {
	if info, err := os.Lstat(path); err != nil || info.Mode()&fs.ModeSocket == 0 {
		return false
	}
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unix", path)
	if err == nil {
		_ = conn.Close()
	}
	return errors.Is(err, syscall.ECONNREFUSED)
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
