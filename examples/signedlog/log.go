package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"sync"

	"github.com/souk-p2p/souk/resolver"
)

// An entry is the hash of the entry before it, what it says, and the signature of the
// author. A key is the author and the number of an entry, the first of which is 1.
const (
	keySize   = ed25519.PublicKeySize + 8
	leastSize = sha256.Size + ed25519.SignatureSize
)

func keyOf(author ed25519.PublicKey, number uint64) resolver.Key {
	return resolver.Key(binary.BigEndian.AppendUint64(bytes.Clone(author), number))
}

// signed is what the author signs: an entry is not valid under another key.
func signed(key resolver.Key, entry []byte) []byte {
	return append([]byte("souk-example-log:"+string(key)), entry...)
}

// sign makes the entry behind before, which is nil for the first.
func sign(author ed25519.PrivateKey, number uint64, before []byte, says string) []byte {
	var hash [sha256.Size]byte
	if before != nil {
		hash = sha256.Sum256(before)
	}
	entry := append(hash[:], says...)
	key := keyOf(author.Public().(ed25519.PublicKey), number)
	return append(entry, ed25519.Sign(author, signed(key, entry))...)
}

// says is the text of an entry.
func says(entry []byte) string {
	return string(entry[sha256.Size : len(entry)-ed25519.SignatureSize])
}

// signedLog is what one peer has of the logs of any authors. It is the consumer and the producer of
// a resolver, so who fetches an entry serves it from then on.
type signedLog struct {
	mu      sync.Mutex
	entries map[resolver.Key][]byte
}

func newLog() *signedLog { return &signedLog{entries: make(map[resolver.Key][]byte)} }

func (l *signedLog) add(key resolver.Key, entry []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries[key] = entry
}

func (l *signedLog) get(key resolver.Key) []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.entries[key]
}

// Deliver implements [resolver.Consumer]: an entry is good when its author has signed it
// for its key. That is all that a peer can be blamed for; that the entries make one
// chain is the author's promise, which check looks at.
func (l *signedLog) Deliver(_ context.Context, key resolver.Key, value []byte) bool {
	if len(value) < leastSize {
		return false
	}
	at := len(value) - ed25519.SignatureSize
	if !ed25519.Verify(ed25519.PublicKey(key[:ed25519.PublicKeySize]), signed(key, value[:at]), value[at:]) {
		return false
	}
	l.add(key, value)
	return true
}

// Failed implements [resolver.Consumer]. Here nobody cancels a fetch.
func (l *signedLog) Failed(resolver.Key, error) {}

// Produce implements [resolver.Producer].
func (l *signedLog) Produce(_ context.Context, key resolver.Key) ([]byte, error) {
	if entry := l.get(key); entry != nil {
		return entry, nil
	}
	return nil, resolver.ErrNone
}

// check looks whether the first n entries of an author make one chain.
func (l *signedLog) check(author ed25519.PublicKey, n uint64) error {
	var want [sha256.Size]byte
	for number := uint64(1); number <= n; number++ {
		entry := l.get(keyOf(author, number))
		if entry == nil || !bytes.HasPrefix(entry, want[:]) {
			return fmt.Errorf("entry %d does not follow the one before it", number)
		}
		want = sha256.Sum256(entry)
	}
	return nil
}

// forger serves entries of its own making.
type forger struct{ *signedLog }

// Produce implements [resolver.Producer].
func (f forger) Produce(_ context.Context, key resolver.Key) ([]byte, error) {
	if entry := f.get(key); entry != nil {
		return bytes.ReplaceAll(entry, []byte("saffron"), []byte("sawdust")), nil
	}
	return nil, resolver.ErrNone
}
