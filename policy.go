package souk

import (
	"maps"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"go.uber.org/zap"

	"github.com/souk-p2p/souk/access"
	"github.com/souk-p2p/souk/rate"
)

const (
	// mostReasons bounds what refusals are counted by: files that were replaced may
	// have had names of their own.
	mostReasons = 256
	// refusedEvery is between two lines of the log about refusals: who is refused may
	// ask as often as it likes.
	refusedEvery = 10 * time.Second
)

// policy is who may have what and how fast. It is asked by the engine and its
// workers, at any time.
type policy struct {
	hook  func(peer.ID, cid.Cid) bool // may be nil
	addrs func(peer.ID) []netip.Addr
	log   *zap.Logger

	rules atomic.Pointer[access.Rules]

	mu      sync.Mutex
	up      rate.Limits
	down    rate.Limits
	refused map[string]uint64 // by reason
	silent  uint64            // refusals since one was logged
	logged  time.Time         // when that was
}

func newPolicy(o *options, addrs func(peer.ID) []netip.Addr) *policy {
	p := &policy{hook: o.access, addrs: addrs, log: o.logger.Named("access"), up: o.up, down: o.down, refused: make(map[string]uint64)}
	p.rules.Store(o.rules)
	return p
}

// open reports whether everybody may have everything.
func (p *policy) open() bool { return p.hook == nil && p.rules.Load() == nil }

// allow decides whether a peer may have a block, and counts refusals.
func (p *policy) allow(id peer.ID, c cid.Cid) bool {
	if p.hook != nil && !p.hook(id, c) {
		p.refuse(id, c, access.Rule{Reason: "hook", Text: "the hook of WithAccess"})
		return false
	}
	rules := p.rules.Load()
	if rules == nil {
		return true
	}
	rule := rules.Decide(p.who(rules, id), c)
	if !rule.Allow {
		p.refuse(id, c, rule)
	}
	return rule.Allow
}

// denied reports whether a rule denies a peer everything, so that nothing is asked of it
// and what it says is ignored. The hook decides about single blocks, and says
// nothing of peers.
func (p *policy) denied(id peer.ID) bool {
	rules := p.rules.Load()
	return rules != nil && rules.Denies(p.who(rules, id))
}

// class is the class of a peer.
func (p *policy) class(id peer.ID) string {
	rules := p.rules.Load()
	return rules.Class(p.who(rules, id))
}

func (p *policy) who(rules *access.Rules, id peer.ID) access.Peer {
	who := access.Peer{ID: id}
	if rules.Addressed() {
		who.Addrs = p.addrs(id)
	}
	return who
}

func (p *policy) refuse(id peer.ID, c cid.Cid, rule access.Rule) {
	p.mu.Lock()
	defer p.mu.Unlock()
	reason := rule.Reason
	if _, known := p.refused[reason]; !known && len(p.refused) >= mostReasons {
		reason = "other"
	}
	p.refused[reason]++
	now := time.Now()
	if now.Sub(p.logged) < refusedEvery {
		p.silent++
		return
	}
	p.log.Info("want refused", zap.Stringer("peer", id), zap.Stringer("cid", c), zap.String("reason", reason),
		zap.Stringer("rule", rule), zap.Uint64("refused since the last line", p.silent))
	p.logged, p.silent = now, 0
}

func (p *policy) counts() map[string]uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.refused)
}

func (p *policy) setRates(up, down rate.Limits) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.up, p.down = up, down
}

// rates are what may be sent and asked for: what was set, and what the rules say of
// classes.
func (p *policy) rates() (up, down rate.Limits) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if rules := p.rules.Load(); rules != nil {
		return p.up.With(rules.Up), p.down.With(rules.Down)
	}
	return p.up, p.down
}
