package message

import (
	"testing"

	"github.com/ipfs/go-cid"
	"github.com/multiformats/go-multihash"
	"github.com/stretchr/testify/require"
)

// withHash returns a CIDv1 of codec with the given multihash bytes, whether
// they make sense or not.
func withHash(codec uint64, mh ...byte) cid.Cid { return cid.NewCidV1(codec, mh) }

func TestCheckCIDAccepts(t *testing.T) {
	for name, c := range map[string]cid.Cid{
		"CIDv0":              cid.NewCidV0(shaCID(1).Hash()),
		"sha2-256":           shaCID(1),
		"sha2-256, 20 bytes": testCID(multihash.SHA2_256, 20, 1),
		"sha2-512":           testCID(multihash.SHA2_512, 64, 1),
		"sha3-224":           testCID(multihash.SHA3_224, 28, 1),
		"sha3-384":           testCID(multihash.SHA3_384, 48, 1),
		"keccak-256":         testCID(multihash.KECCAK_256, 32, 1),
		"dbl-sha2-256":       testCID(multihash.DBL_SHA2_256, 32, 1),
		"shake-256":          testCID(multihash.SHAKE_256, 64, 1),
		"blake2b-160":        testCID(multihash.BLAKE2B_MIN+19, 20, 1),
		"blake2b-512":        testCID(multihash.BLAKE2B_MAX, 64, 1),
		"blake2s-256":        testCID(multihash.BLAKE2S_MAX, 32, 1),
		"blake3":             testCID(multihash.BLAKE3, 32, 1),
		"blake3, 128 bytes":  testCID(multihash.BLAKE3, 128, 1),
		"a git object":       cid.NewCidV1(cid.GitRaw, testCID(multihash.SHA1, 20, 1).Hash()),
		"an unknown codec":   cid.NewCidV1(0x300001, shaCID(1).Hash()),
	} {
		t.Run(name, func(t *testing.T) { require.NoError(t, CheckCID(c)) })
	}
}

func TestCheckCIDRefuses(t *testing.T) {
	long := append([]byte{0x1e, 0x80, 0x02}, make([]byte, 256)...)
	for name, tc := range map[string]struct {
		cid   cid.Cid
		fault Fault
	}{
		"undefined":                   {cid.Undef, FaultCID},
		"digest shorter than it says": {withHash(cid.Raw, 0x12, 0x20, 1, 2, 3), FaultCID},
		"over 168 bytes":              {withHash(cid.Raw, long...), FaultCIDTooLong},
		"identity, empty":             {testCID(multihash.IDENTITY, 0, 1), FaultIdentity},
		"identity, 128 bytes":         {testCID(multihash.IDENTITY, 128, 1), FaultIdentity},
		"identity, 160 bytes":         {testCID(multihash.IDENTITY, 160, 1), FaultIdentity},
		"md5":                         {testCID(multihash.MD5, 16, 1), FaultHash},
		"sha1 outside git":            {testCID(multihash.SHA1, 20, 1), FaultHash},
		"murmur3":                     {testCID(multihash.MURMUR3X64_64, 8, 1), FaultHash},
		"unknown function":            {testCID(0x300001, 32, 1), FaultHash},
		"sha2-256 of 1 byte":          {testCID(multihash.SHA2_256, 1, 1), FaultHash},
		"sha2-256 of 19 bytes":        {testCID(multihash.SHA2_256, 19, 1), FaultHash},
		"sha2-256 of 33 bytes":        {testCID(multihash.SHA2_256, 33, 1), FaultHash},
		"blake2b-152":                 {testCID(multihash.BLAKE2B_MIN+18, 19, 1), FaultHash},
		"blake2b-160 of 21 bytes":     {testCID(multihash.BLAKE2B_MIN+19, 21, 1), FaultHash},
		"blake2s-224, which the library cannot compute": {testCID(multihash.BLAKE2S_MIN+27, 28, 1), FaultHash},
	} {
		t.Run(name, func(t *testing.T) {
			var err *CIDError
			require.ErrorAs(t, CheckCID(tc.cid), &err)
			require.Equal(t, tc.fault, err.Fault)
			require.Equal(t, tc.cid, err.CID)
			require.NotEmpty(t, err.Error())
			require.Less(t, len(err.Error()), 400, "whatever the peer sent")
		})
	}
}

// Whatever CheckCID accepts can be verified: the multihash library gives a
// digest of that length.
func TestEveryAcceptedHashIsComputed(t *testing.T) {
	data := []byte("souk")
	accepted := 0
	for code := range multihash.Codes {
		for size := 0; size <= 130; size++ {
			p := cid.Prefix{Version: 1, Codec: cid.GitRaw, MhType: code, MhLength: size}
			if fault, _ := hashFault(p); fault != 0 {
				continue
			}
			accepted++
			c, err := sum(nil, p, data)
			require.NoError(t, err, "hash %#x of %d bytes", code, size)
			require.Equal(t, p, c.Prefix())
			want, err := p.Sum(data)
			require.NoError(t, err)
			require.Equal(t, want, c)
		}
	}
	require.Greater(t, accepted, 100)
}

func TestCheckCIDDoesNotAllocate(t *testing.T) {
	c := shaCID(1)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if CheckCID(c) != nil {
			panic("refused")
		}
	}))
}
