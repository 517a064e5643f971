package network

import (
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/internal/frames"
)

// What can become of a message or a request. They come wrapped; compare with
// [errors.Is].
var (
	ErrClosed       = errors.New("network is stopped")
	ErrLaneFull     = errors.New("lane holds as many messages as it may")
	ErrNotConnected = errors.New("peer is not connected or does not speak the protocol")
	ErrReset        = errors.New("peer reset the stream")
	ErrSlow         = errors.New("peer did not take or send the bytes in time")
	ErrIdle         = errors.New("peer said nothing for as long as it may")
	ErrTooLarge     = frames.ErrTooLarge
	ErrRefused      = errors.New("peer is refused for a while")
	ErrHandled      = errors.New("protocol is handled already")
	errNoRoom       = errors.New("no room in the receive budget")
	errCrowded      = errors.New("too many peers behind the address")
)

// SendError says that a message or request did not reach a peer. The peer may
// be well: whether to try again is for the caller to decide.
type SendError struct {
	Peer peer.ID
	Err  error
}

func (e *SendError) Error() string { return fmt.Sprintf("send to %s: %v", e.Peer, e.Err) }

// Unwrap returns what went wrong.
func (e *SendError) Unwrap() error { return e.Err }

// ConfigError names the field of [Config] that is wrong.
type ConfigError struct {
	Field string
	Why   string
}

func (e *ConfigError) Error() string { return fmt.Sprintf("network: Config.%s %s", e.Field, e.Why) }

// isTimeout reports whether err is an expired deadline, of whatever transport. A
// connection that is closed because nothing was heard of the peer calls itself a
// timeout, too, and every read of it says so at once.
func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout() && !errors.Is(err, net.ErrClosed)
}

// isEOF reports whether err is the orderly end of a stream.
func isEOF(err error) bool {
	return errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF)
}
