package engine

import (
	"bytes"
	"testing"

	"github.com/ipfs/go-cid"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/message"
)

// The part of a CID that the engine matches by is its multihash.
func FuzzMultihashOf(f *testing.F) {
	digest := bytes.Repeat([]byte{7}, 32)
	f.Add(append([]byte{0x12, 32}, digest...))
	f.Add(append([]byte{1, 0x55, 0x12, 32}, digest...))
	f.Add(append([]byte{1, 0x81, 0x80, 0xc0, 0x01, 0x12, 32}, digest...))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := cid.Cast(b)
		if err == nil && message.CheckCID(c) == nil {
			require.Equal(t, string(c.Hash()), multihashOf(c))
		}
	})
}
