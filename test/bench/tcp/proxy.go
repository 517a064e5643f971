package main

import (
	"errors"
	"net"
	"sync"

	"github.com/souk-p2p/souk/test/sim"
)

// kernelBuffer is how much the kernel buffers on the proxy's side of a connection,
// which is no part of the link: about as little as still keeps the loopback
// interface busy.
const kernelBuffer = 64 << 10

// proxy passes connections on, as if there were a link in between.
type proxy struct {
	link     sim.Link
	to       string
	listener net.Listener

	mu    sync.Mutex
	conns map[net.Conn]struct{} // nil when it is closed
	work  sync.WaitGroup
}

func newProxy(to string, l sim.Link) (*proxy, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &proxy{link: l, to: to, listener: listener, conns: make(map[net.Conn]struct{})}
	p.work.Go(p.accept)
	return p, nil
}

func (p *proxy) addr() net.Addr { return p.listener.Addr() }

// close ends all connections.
func (p *proxy) close() {
	p.listener.Close()
	p.mu.Lock()
	for c := range p.conns {
		c.Close()
	}
	p.conns = nil
	p.mu.Unlock()
	p.work.Wait()
}

func (p *proxy) accept() {
	for {
		in, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.work.Go(func() { p.pass(in) })
	}
}

// pass carries one connection both ways until both are at their end, or one
// fails.
func (p *proxy) pass(in net.Conn) {
	defer in.Close()
	out, err := net.Dial("tcp", p.to)
	if err != nil {
		return
	}
	defer out.Close()
	if !p.keep(in, out) {
		return
	}
	defer p.drop(in, out)
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{in, out}, {out, in}} {
		both.Go(func() {
			from, to := way[0], way[1]
			err := carry(p.link, to, from)
			if end, ok := to.(interface{ CloseWrite() error }); err != nil || !ok || end.CloseWrite() != nil {
				from.Close()
				to.Close()
			}
		})
	}
	both.Wait()
}

// keep notes connections to be closed with the proxy. It reports false when that
// is closed.
func (p *proxy) keep(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conns == nil {
		return false
	}
	for _, c := range conns {
		p.conns[c] = struct{}{}
		if c, ok := c.(*net.TCPConn); ok {
			_ = errors.Join(c.SetReadBuffer(kernelBuffer), c.SetWriteBuffer(kernelBuffer)) // Less exact, if not.
		}
	}
	return true
}

func (p *proxy) drop(conns ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		delete(p.conns, c)
	}
}
