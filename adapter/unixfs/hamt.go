package unixfs

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"
	"strconv"

	"github.com/spaolacci/murmur3"
)

const (
	// hashMurmur3 is the multicodec of murmur3-x64-64, the only hash function
	// that the UnixFS specification allows in a HAMT.
	hashMurmur3 = 0x22
	// shardFanout is what Kubo writes: one byte of the hash a level.
	shardFanout = 256
	// maxFanout is the widest shard that is read, as in boxo.
	maxFanout = 1024
	// hashBits is the length of the hash, which bounds the depth of a HAMT.
	hashBits = 64
)

// hexDigits returns the length of the slot number that begins a link name.
func hexDigits(largest uint64) int { return (bits.Len64(largest) + 3) / 4 }

func hashName(name string) uint64 { return murmur3.Sum64([]byte(name)) }

func checkFanout(hashType, fanout uint64) error {
	if hashType != hashMurmur3 {
		return fmt.Errorf("%w HAMT hash function 0x%x", ErrUnsupported, hashType)
	}
	if fanout < 8 || fanout > maxFanout || bits.OnesCount64(fanout) != 1 {
		return malformed("HAMT fanout %d is no power of two from 8 to %d", fanout, maxFanout)
	}
	return nil
}

// shardPlace says where in a HAMT a shard is: the leading bits of the hashes of
// all names below it.
type shardPlace struct {
	prefix uint64
	bits   int
}

// slot is one decoded link of a shard: an entry, or a shard below if the name
// is empty.
type slot struct {
	name  string
	place shardPlace
}

// slot decodes the link names of shard n at place p, and refuses an entry that
// is not where its hash belongs: no name can then occur twice in a HAMT.
func (p shardPlace) slot(n *node, l link) (slot, error) {
	width := bits.Len64(n.fanout - 1)
	digits := hexDigits(n.fanout - 1)
	if p.bits+width > hashBits {
		return slot{}, malformed("HAMT deeper than its hash")
	}
	if len(l.name) < digits {
		return slot{}, malformed("HAMT link name %q", l.name)
	}
	index, err := strconv.ParseUint(l.name[:digits], 16, 64)
	if err != nil || index >= n.fanout {
		return slot{}, malformed("HAMT link name %q", l.name)
	}
	s := slot{name: l.name[digits:], place: shardPlace{prefix: p.prefix<<width | index, bits: p.bits + width}}
	if s.name != "" && !s.place.holds(s.name) {
		return slot{}, malformed("HAMT entry %q is not where its hash belongs", s.name)
	}
	return s, nil
}

// index returns which slot of its shard the place is.
func (p shardPlace) index(fanout uint64) int { return int(p.prefix & (fanout - 1)) }

func (p shardPlace) holds(name string) bool {
	return p.bits == 0 || hashName(name)>>(hashBits-p.bits) == p.prefix
}

// sharded tells whether Kubo shards a directory with these links: when names
// and binary CIDs together pass 256 KiB (HAMTShardingSize with the estimation
// by links in boxo, where the threshold itself still fits).
func sharded(links []link) bool {
	const threshold = 256 << 10
	size := 0
	for _, l := range links {
		size += len(l.name) + l.cid.ByteLen()
	}
	return size > threshold
}

type hashedLink struct {
	hash uint64
	link link
}

// putShards stores a HAMT over the links and returns the link to its root.
func putShards(ctx context.Context, out *batcher, links []link) (link, error) {
	hashed := make([]hashedLink, len(links))
	for i, l := range links {
		hashed[i] = hashedLink{hashName(l.name), l}
	}
	slices.SortFunc(hashed, func(a, b hashedLink) int { return cmp.Compare(a.hash, b.hash) })
	return putShard(ctx, out, hashed, 0)
}

// putShard stores the shard of links that share the first level bytes of their
// hashes, after the shards below it.
func putShard(ctx context.Context, out *batcher, hashed []hashedLink, level int) (link, error) {
	if level == hashBits/8 {
		return link{}, fmt.Errorf("unixfs: names %q and %q: %w: one hash for both, HAMT too deep",
			hashed[0].link.name, hashed[1].link.name, ErrLimit)
	}
	var bitfield [shardFanout / 8]byte
	links := make([]link, 0, min(len(hashed), shardFanout))
	for len(hashed) > 0 {
		index := hashByte(hashed[0].hash, level)
		n := 1
		for n < len(hashed) && hashByte(hashed[n].hash, level) == index {
			n++
		}
		l := hashed[0].link
		if n > 1 {
			var err error
			if l, err = putShard(ctx, out, hashed[:n], level+1); err != nil {
				return link{}, err
			}
		}
		l.name = fmt.Sprintf("%02X", index) + l.name
		links = append(links, l)
		bitfield[len(bitfield)-1-int(index)/8] |= 1 << (index % 8)
		hashed = hashed[n:]
	}
	b, err := encodeShard(trimZeros(bitfield[:]), shardFanout, links)
	if err != nil {
		return link{}, err
	}
	return link{cid: b.Cid(), tsize: total(b, links)}, out.put(ctx, b)
}

// hashByte returns the byte that selects the slot at a level.
func hashByte(hash uint64, level int) byte {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], hash)
	return b[level]
}

// trimZeros drops leading zero bytes: bitfields are written as short as they can be.
func trimZeros(b []byte) []byte {
	for len(b) > 0 && b[0] == 0 {
		b = b[1:]
	}
	return b
}
