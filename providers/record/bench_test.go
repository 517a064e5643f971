package record

import (
	"testing"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/stretchr/testify/require"
)

// What a tracker spends on an announcement before and after it believes it.

func BenchmarkParse(b *testing.B) {
	s, err := Sign(newKey(b, crypto.Ed25519), full(b, ""))
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		_, err = Parse(s.Bytes())
	}
	require.NoError(b, err)
}

func BenchmarkVerify(b *testing.B) {
	s, err := Sign(newKey(b, crypto.Ed25519), full(b, ""))
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		err = s.Verify()
	}
	require.NoError(b, err)
}
