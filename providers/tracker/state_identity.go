package tracker

import (
	"strings"

	"github.com/libp2p/go-libp2p/core/peer"
)

// identity is a peer's as it is kept. Nearly all are of Ed25519 keys and begin
// alike: without that they take 32 bytes, and with it the allocator would give
// them 48.
type identity struct {
	text  string
	short bool
}

// alike is how the identity of an Ed25519 key begins, before the 32 bytes of that.
const alike = "\x00\x24\x08\x01\x12\x20"

func identityOf(id peer.ID) identity {
	if key, ok := strings.CutPrefix(string(id), alike); ok && len(key) == 32 {
		return identity{key, true}
	}
	return identity{string(id), false}
}

// peer is the identity in full.
func (i identity) peer() peer.ID {
	if i.short {
		return peer.ID(alike + i.text)
	}
	return peer.ID(i.text)
}

func (t *Table) announcerOf(id peer.ID) handle {
	i := identityOf(id)
	return t.announcers.find(t.key.text(i.text), func(a *announcer) bool { return a.is(i) })
}

func (t *Table) announcerFor(id peer.ID) handle {
	if h := t.announcerOf(id); h != 0 {
		return h
	}
	i := identityOf(id)
	text := clone(i.text)
	t.loose += allocated(len(text))
	return t.announcers.add(t.key.text(text), announcer{text: text, short: i.short})
}

func (a *announcer) is(i identity) bool { return a.text == i.text && a.short == i.short }

func (a *announcer) peer() peer.ID { return identity{a.text, a.short}.peer() }
