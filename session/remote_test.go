package session

import (
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/message"
	"github.com/souk-p2p/souk/wantmanager"
)

// remote is one peer, and what WantManager keeps of it.
type remote struct {
	id         peer.ID
	has        map[cid.Cid]bool
	connected  bool
	reachable  bool
	life       int
	rtt        time.Duration
	perBlock   time.Duration
	busyUntil  time.Time
	denied     bool // by a rule of the session's node
	mute       bool // never answers
	noDontHave bool // never says DONT_HAVE
	liar       bool // says HAVE to everything and sends nothing
	wants      map[cid.Cid]*remoteWant
	heardAt    time.Time
	seen       map[cid.Cid]int // wants and cancels that it saw
	askedFor   int
	blocksSent int
}

type remoteWant struct {
	kind     message.WantType
	at       time.Time
	standing bool
}

// ask is WantManager.
func (w *world) ask(p *remote, a wantmanager.Ask) {
	old := p.wants[a.CID]
	if old != nil && !old.standing && (old.kind == a.Type || old.kind == message.WantBlock) {
		return
	}
	kind := a.Type
	if old != nil && old.kind == message.WantBlock {
		kind = message.WantBlock
	}
	p.wants[a.CID] = &remoteWant{kind: kind}
	p.askedFor++
	w.write(p, a.CID)
}

func (w *world) write(p *remote, c cid.Cid) {
	want := p.wants[c]
	want.at, want.standing = w.now, false
	if !p.connected {
		return
	}
	p.seen[c]++
	life := p.life
	w.after(p.rtt, func() {
		if p.life == life && p.wants[c] != nil {
			w.answer(p, c, want.kind)
		}
	})
	w.after(2*time.Second, func() { w.watchdog(p, life, want) })
}

// answer is the peer.
func (w *world) answer(p *remote, c cid.Cid, kind message.WantType) {
	switch {
	case p.mute:
	case p.liar:
		if kind == message.WantHave {
			w.presence(p, c, true)
		}
	case p.has[c] && kind == message.WantHave && len(w.blocks[c].RawData()) > 1024:
		w.presence(p, c, true)
	case p.has[c]:
		w.send(p, c)
	case !p.noDontHave:
		w.presence(p, c, false)
	}
}

func (w *world) send(p *remote, c cid.Cid) {
	if p.busyUntil.Before(w.now) {
		p.busyUntil = w.now
	}
	p.busyUntil = p.busyUntil.Add(p.perBlock)
	life := p.life
	w.after(p.busyUntil.Sub(w.now), func() {
		if p.life != life || p.wants[c] == nil {
			return
		}
		delete(p.wants, c)
		p.blocksSent++
		w.heard(p)
		w.deliver(p.id, c)
	})
}

func (w *world) presence(p *remote, c cid.Cid, have bool) {
	w.heard(p)
	if want := p.wants[c]; have && want.kind == message.WantHave {
		delete(p.wants, c)
	} else if !have {
		want.standing = true
	}
	if w.registered[c] {
		w.s.presence(w.now, p.id, c, have)
	}
}

func (w *world) heard(p *remote) {
	p.heardAt = w.now
	w.s.view(w.now, p.id, wantmanager.View{Share: 256 << 10, Rate: 1e3 / p.perBlock.Seconds(), RTT: p.rtt})
}

// watchdog tells the session that a peer is late, as WantManager would.
func (w *world) watchdog(p *remote, life int, want *remoteWant) {
	live := false
	for _, o := range p.wants {
		live = live || o == want
	}
	if !live || p.life != life || want.standing {
		return
	}
	if w.now.Sub(p.heardAt) >= 2*time.Second {
		w.s.view(w.now, p.id, wantmanager.View{Share: 64 << 10, RTT: p.rtt, Late: true})
		want.standing = w.now.Sub(want.at) >= 10*time.Second
	}
	w.after(2*time.Second, func() { w.watchdog(p, life, want) })
}
