package network

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"go.uber.org/zap"

	"github.com/souk-p2p/souk/message"
)

// Defaults of [Config].
const (
	DefaultReceivePeer    = 4 << 20          // one largest message
	DefaultReceiveNode    = 64 << 20         // sixteen peers with all of theirs
	DefaultInboundStreams = 32               // boxo servers write from 8 workers, a stream for each message
	DefaultFrameTime      = 30 * time.Second // what a stalled TCP connection may need to recover
	DefaultFrameRate      = 8 << 10          // bytes per second; slower is of no use to anybody
	DefaultOpenTime       = 10 * time.Second // of libp2p's own stream timeouts, the shortest
	DefaultIdleStream     = 15 * time.Second // longer than a pause between two batches of wants
	DefaultChunkSize      = 65507            // the most that yamux and Noise carry in one record each: 65535 less 16 for the tag and 12 for the header
	DefaultEmptyFrames    = 1000             // a second; peers send about one when they connect
	DefaultStrikes        = 8                // grave faults in DefaultStrikeWindow
	DefaultStrikeWindow   = time.Minute
	DefaultCoolDown       = time.Minute
	DefaultGoneAfter      = 5 * time.Second // after which nothing of a peer may be left
	DefaultPerAddress     = 64              // eight times the connections that libp2p takes from one address: an office behind one router
	DefaultPerNetwork     = 256             // as many as a /24 has addresses
)

// maxChunk is the largest chunk: a want waits for one behind blocks.
const maxChunk = 64 << 10

// Config is what a [Network] needs. Fields that are zero mean the documented
// default.
type Config struct {
	// Host is the libp2p host. Required. The network neither starts nor closes it.
	Host host.Host
	// Logger gets Warn when a peer is refused. Default silent.
	Logger *zap.Logger
	// Panicked is told of a panic in a goroutine of the network, which ends what
	// that was about: a message, a stream, one look at a connection. May be nil.
	Panicked func(error)
	// Observer is told of each message. Default nobody.
	Observer Observer

	// ProtocolPrefix goes before every protocol id, as "/custom" makes
	// "/custom/ipfs/bitswap/1.2.0". Peers with another prefix are not Bitswap
	// peers of ours. Default none.
	ProtocolPrefix protocol.ID
	// Versions are offered to peers and used towards them; the newest that both
	// sides have wins. Default all.
	Versions []message.Version
	// AllowLimited makes relayed connections usable, which have limits of bytes
	// and time. Default they are ignored.
	AllowLimited bool

	// Limits bound a message that is received.
	Limits message.Limits
	// ReceivePeer and ReceiveNode bound the bytes that are being received or
	// were handed on and not yet released, of one peer and of all. A block in
	// flight is never refused for its own size: with nothing else left to
	// release, one frame of a peer may go over ReceivePeer. Too small makes
	// readers stop often, too large lets that much memory be held by peers.
	ReceivePeer int
	ReceiveNode int
	// InboundStreams bounds the streams of one peer that are read. One more and
	// the idlest is reset. When none of them has been idle for a second, up to
	// eight times as many are read.
	InboundStreams int

	// FrameTime and FrameRate (bytes per second) bound the time of a frame that
	// has begun: FrameTime and its size at FrameRate. Writes likewise, for each
	// chunk. Too short drops peers on bad links, too long lets slow peers hold
	// budget.
	FrameTime time.Duration
	FrameRate int
	// OpenTime bounds the opening of a stream.
	OpenTime time.Duration
	// IdleStream is after how long without a message an outbound stream is closed.
	IdleStream time.Duration
	// ChunkSize bounds one write to a stream, in bytes, at most 64 KiB.
	ChunkSize int

	// EmptyFrames is how many frames a second a stream may carry that say nothing.
	EmptyFrames int
	// Strikes is how many grave faults within StrikeWindow make the network
	// close the connections of a peer and refuse it for CoolDown. Faults of a
	// single element count a sixteenth, and a message counts once at most.
	Strikes      int
	StrikeWindow time.Duration
	CoolDown     time.Duration
	// PeersPerAddress bounds the peers behind one address (the /64 of an IPv6
	// one), PeersPerNetwork those of one network (the /24 of an IPv4 address, the
	// /48 of an IPv6 one), that take part at a time, apart from those that we
	// dialled. Loopback is not counted. Too small locks out people who share a
	// router, too large lets one who makes up identities have that many shares.
	PeersPerAddress int
	PeersPerNetwork int
	// Proven reports whether a peer has exchanged blocks: such a peer keeps its
	// place, another may have to leave it after ten seconds. It is called under
	// locks, so it must be fast and call nothing of the network. May be nil.
	Proven func(peer.ID) bool
	// GoneAfter is how long a peer that disconnected may have readers that are
	// still handing on what it sent; then they are ended.
	GoneAfter time.Duration
}

func (c Config) withDefaults() Config {
	c.Logger = or(c.Logger, zap.NewNop())
	c.Observer = or[Observer](c.Observer, unobserved{})
	if len(c.Versions) == 0 {
		c.Versions = []message.Version{message.V120, message.V110, message.V100, message.Unversioned}
	}
	c.ReceivePeer = or(c.ReceivePeer, DefaultReceivePeer)
	c.ReceiveNode = or(c.ReceiveNode, DefaultReceiveNode)
	c.InboundStreams = or(c.InboundStreams, DefaultInboundStreams)
	c.FrameTime = or(c.FrameTime, DefaultFrameTime)
	c.FrameRate = or(c.FrameRate, DefaultFrameRate)
	c.OpenTime = or(c.OpenTime, DefaultOpenTime)
	c.IdleStream = or(c.IdleStream, DefaultIdleStream)
	c.ChunkSize = or(c.ChunkSize, DefaultChunkSize)
	c.EmptyFrames = or(c.EmptyFrames, DefaultEmptyFrames)
	c.Strikes = or(c.Strikes, DefaultStrikes)
	c.StrikeWindow = or(c.StrikeWindow, DefaultStrikeWindow)
	c.CoolDown = or(c.CoolDown, DefaultCoolDown)
	c.GoneAfter = or(c.GoneAfter, DefaultGoneAfter)
	c.PeersPerAddress = or(c.PeersPerAddress, DefaultPerAddress)
	c.PeersPerNetwork = or(c.PeersPerNetwork, DefaultPerNetwork)
	return c
}

func or[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}

// validate names the field that is wrong, of a Config with its defaults.
func (c Config) validate() error {
	switch {
	case c.Host == nil:
		return &ConfigError{Field: "Host", Why: "is missing"}
	case c.ProtocolPrefix != "" && !strings.HasPrefix(string(c.ProtocolPrefix), "/"):
		return &ConfigError{Field: "ProtocolPrefix", Why: "does not begin with a slash"}
	case c.ChunkSize > maxChunk:
		return &ConfigError{Field: "ChunkSize", Why: fmt.Sprintf("is over %d bytes", maxChunk)}
	case c.ReceiveNode < c.ReceivePeer:
		return &ConfigError{Field: "ReceiveNode", Why: "is less than ReceivePeer"}
	}
	if i := slices.IndexFunc(c.Versions, isUnknown); i >= 0 {
		return &ConfigError{Field: "Versions", Why: fmt.Sprintf("has the unknown version %d", c.Versions[i])}
	}
	return c.validateSigns()
}

func isUnknown(v message.Version) bool { return v < message.Unversioned || v > message.V120 }

func (c Config) validateSigns() error {
	numbers := []struct {
		field string
		value int64
	}{
		{"ReceivePeer", int64(c.ReceivePeer)},
		{"InboundStreams", int64(c.InboundStreams)},
		{"FrameTime", int64(c.FrameTime)},
		{"FrameRate", int64(c.FrameRate)},
		{"OpenTime", int64(c.OpenTime)},
		{"IdleStream", int64(c.IdleStream)},
		{"ChunkSize", int64(c.ChunkSize)},
		{"EmptyFrames", int64(c.EmptyFrames)},
		{"Strikes", int64(c.Strikes)},
		{"StrikeWindow", int64(c.StrikeWindow)},
		{"CoolDown", int64(c.CoolDown)},
		{"GoneAfter", int64(c.GoneAfter)},
		{"PeersPerAddress", int64(c.PeersPerAddress)},
		{"PeersPerNetwork", int64(c.PeersPerNetwork)},
	}
	for _, n := range numbers {
		if n.value < 0 {
			return &ConfigError{Field: n.field, Why: "is negative"}
		}
	}
	return nil
}

// allowance is the time that size bytes may take on a stream.
func (c *Config) allowance(size int) time.Duration {
	return c.FrameTime + time.Duration(size)*time.Second/time.Duration(c.FrameRate)
}
