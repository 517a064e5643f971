package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/souk-p2p/souk/resolver/wire"
	"github.com/souk-p2p/souk/test/ends"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// keySize is that of the keys of tests.
const keySize = 4

// large is a value of three parts.
var large = bytes.Repeat([]byte("0123456789abcdef"), (2*wire.PartSize+1600)/16)

// produce is the Producer of tests. What a key begins with says what it does.
func produce(ctx context.Context, key string) ([]byte, error) {
	switch key[0] {
	case 'v':
		return []byte("value of " + key), nil
	case 'L':
		return append(bytes.Clone(large), key...), nil
	case 'X':
		return make([]byte, 1<<20+1), nil
	case 's': // slow
		select {
		case <-time.After(time.Second):
			return []byte("slow " + key), nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	case 'd': // dead, until it is told that nobody waits
		<-ctx.Done()
		return nil, ctx.Err()
	case 'b':
		return nil, errors.New("broken disk")
	case 'p':
		panic("a bug of the application")
	}
	return nil, fmt.Errorf("%w: %s", ErrNone, key)
}

// service is a server in virtual time, and the peers that speak with it.
type service struct {
	t      *testing.T
	server *Server
}

// serve runs a test opposite a server.
func serve(t *testing.T, cfg Config, test func(t *testing.T, s *service)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		cfg.KeySize = keySize
		if cfg.Produce == nil {
			cfg.Produce = produce
		}
		if cfg.Limits.MaxValue == 0 {
			cfg.Limits.MaxValue = 1 << 20
		}
		cfg.Fail = func(err error) { t.Errorf("the actor broke: %v", err) }
		server, err := New(cfg)
		require.NoError(t, err)
		server.Start()
		t.Cleanup(func() { require.NoError(t, server.Stop(context.Background())) })
		test(t, &service{t, server})
	})
}

func (s *service) stat() Stat {
	s.t.Helper()
	synctest.Wait()
	return s.server.Stat(s.t.Context())
}

// asker is the other end of a stream that is served.
type asker struct {
	t        *testing.T
	end      *ends.End
	up, down net.Conn
	in       *wire.Reader[wire.Answer]
	served   chan error
	last     wire.ID
}

// connect opens a stream of the nth peer.
func (s *service) connect(n int) *asker {
	s.t.Helper()
	c := &asker{t: s.t, served: make(chan error, 1)}
	end, up, down := ends.New(peer.ID(fmt.Sprint("peer", n)), multiaddr.StringCast("/ip4/192.0.2.1/tcp/1"))
	c.end, c.up, c.down, c.in = end, up, down, wire.NewAnswers(down)
	go func() {
		err := s.server.Serve(s.t.Context(), end)
		end.Reset()
		c.served <- err
	}()
	s.t.Cleanup(c.vanish)
	return c
}

// vanish is the end of the connection.
func (c *asker) vanish() { c.end.Reset() }

// ended waits for the end of the stream.
func (c *asker) ended() error {
	c.t.Helper()
	select {
	case err := <-c.served:
		return err
	case <-time.After(time.Hour):
		require.FailNow(c.t, "the stream has not ended")
		return nil
	}
}

func (c *asker) send(m wire.Message) {
	c.t.Helper()
	frame, err := wire.AppendFrame(nil, m)
	require.NoError(c.t, err)
	_, err = c.up.Write(frame)
	require.NoError(c.t, err)
}

// ask sends a request for a value.
func (c *asker) ask(key string) wire.ID {
	c.t.Helper()
	c.last++
	c.send(&wire.Request{ID: c.last, Key: key})
	return c.last
}

func (c *asker) next() wire.Answer {
	c.t.Helper()
	m, err := c.in.Next()
	require.NoError(c.t, err)
	return m
}

// get asks for a value and returns the answer, which is its own.
func (c *asker) get(key string) wire.Answer {
	c.t.Helper()
	id := c.ask(key)
	m := c.next()
	require.Equal(c.t, id, m.Number())
	return m
}

// part asks for a part of a value.
func (c *asker) part(key string, part int, l wire.List) wire.Answer {
	c.t.Helper()
	c.last++
	c.send(&wire.Request{ID: c.last, Key: key, Part: part, List: l})
	return c.next()
}

func (c *asker) requireValue(key, want string) {
	c.t.Helper()
	m := c.get(key)
	require.IsType(c.t, &wire.Response{}, m)
	require.Equal(c.t, want, string(m.(*wire.Response).Data))
}

func (c *asker) requireFailure(key string, want wire.Code) {
	c.t.Helper()
	requireCode(c.t, c.get(key), want)
}

func requireCode(t *testing.T, m wire.Answer, want wire.Code) {
	t.Helper()
	require.IsType(t, &wire.Failure{}, m)
	require.Equal(t, want.String(), m.(*wire.Failure).Code.String())
}

// gather fetches a value of several parts.
func (c *asker) gather(key string) []byte {
	c.t.Helper()
	first := c.get(key).(*wire.Response)
	value := bytes.Clone(first.Data)
	for i := 1; i < first.Parts.Count(); i++ {
		m := c.part(key, i, first.Parts.List())
		require.IsType(c.t, &wire.Response{}, m)
		require.True(c.t, first.Parts.Holds(i, m.(*wire.Response).Data))
		value = append(value, m.(*wire.Response).Data...)
	}
	return value
}

// key is a key of the right size.
func key(kind string, n int) string { return kind + fmt.Sprintf("%0*d", keySize-len(kind), n) }

func TestConfigurationIsChecked(t *testing.T) {
	for field, change := range map[string]func(*Config){
		"KeySize":       func(c *Config) { c.KeySize = wire.MaxKey + 1 },
		"Produce":       func(c *Config) { c.Produce = nil },
		"MaxValue":      func(c *Config) { c.Limits.MaxValue = wire.MaxValue + 1 },
		"Producing":     func(c *Config) { c.Limits.Producing = -1 },
		"PeerProducing": func(c *Config) { c.Limits.PeerProducing = 17 },
		"ProduceTime":   func(c *Config) { c.Limits.ProduceTime = -1 },
		"WaitTime":      func(c *Config) { c.Limits.WaitTime = 1 },
		"Kept":          func(c *Config) { c.Limits.Kept = 1 },
		"PeerStreams":   func(c *Config) { c.Limits.PeerStreams = -1 },
	} {
		cfg := Config{KeySize: keySize, Produce: produce}
		change(&cfg)
		_, err := New(cfg)
		require.ErrorContains(t, err, field)
	}
	_, err := New(Config{KeySize: keySize, Produce: produce})
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(OutcomeValue.String(), "value"))
}
