package tracker

import (
	"fmt"

	"github.com/souk-p2p/souk/providers/record"
)

// Limits bound what a table keeps and does for others. Zero fields mean the
// default that is given with each.
type Limits struct {
	// TableBytes is the memory of the whole table. Default 512 MiB, at least
	// 1 MiB. A thirtieth of it is taken at the start.
	TableBytes int
	// NamespaceBytes is the memory of the rows of one namespace. Default a
	// quarter of TableBytes.
	NamespaceBytes int
	// Namespaces are those that one peer may be announced in; one of narrow ranges
	// counts for each of their shards. As many again may be remembered as
	// withdrawn. Default 64, at most 127.
	Namespaces int
	// BucketRows is from where on the rows of a namespace are divided into
	// buckets, of which a query sees one. Default 4,096.
	BucketRows int
	// PeerRate and PrefixRate are what one peer, and all peers of one /24 or /48
	// together, may do a second. They may do as much as in a minute at once.
	// Default 2 announces, 10 queries and 64 KiB a peer, 16 times that a prefix.
	PeerRate, PrefixRate Rate
	// Watches are those that one peer may have. Default 64: 16 for each of its
	// streams.
	Watches int
	// Streams and PeerStreams are those that are served at once: of all peers, and
	// of one. Default DefaultStreams and DefaultPeerStreams.
	Streams, PeerStreams int
}

// Defaults of [Limits] that who bounds streams in front of the tracker has to know.
const (
	DefaultStreams     = 4096
	DefaultPeerStreams = 4
)

// Rate is what may be done in a second.
type Rate struct {
	Announces, Queries, Bytes float64
}

const (
	shortestTTL = record.MinTTL
	longestTTL  = record.MaxTTL
	skew        = record.MaxSkew // by which clocks may differ
	longestAge  = record.MaxAge  // of a signature: from then on touches are no use

	mostRows     = 64 // of an answer
	mostRanges   = record.MaxRanges
	mostHead     = max(4*mostRanges, 2+record.MaxKeyRanges*2*(1+record.MaxKey)) // bytes of the ranges of a row
	mostRecord   = record.MaxSigned
	mostName     = record.MaxNamespace
	mostPlace    = mostName + 2 // bytes of the name of a place
	mostPeerID   = record.MaxPeer
	burst        = 60 // seconds' worth of a rate
	expireAtOnce = 4096
	evictAtOnce  = 512 // rows that one announcement may push out: what pages that others filled took beyond the budget

	leastTable = 1 << 20
	reserve    = 64 << 10  // kept free so that no growth inside of an event exceeds the budget
	divideCost = 256 << 10 // at most, of dividing a bucket
)

func (l Limits) withDefaults() Limits {
	for _, field := range []struct {
		value *int
		def   int
	}{
		{&l.TableBytes, 512 << 20},
		{&l.Namespaces, 64},
		{&l.BucketRows, 4096},
		{&l.Watches, 64},
		{&l.Streams, DefaultStreams},
		{&l.PeerStreams, DefaultPeerStreams},
	} {
		if *field.value == 0 {
			*field.value = field.def
		}
	}
	if l.NamespaceBytes == 0 {
		l.NamespaceBytes = l.TableBytes / 4
	}
	if l.PeerRate == (Rate{}) {
		l.PeerRate = Rate{Announces: 2, Queries: 10, Bytes: 64 << 10}
	}
	if l.PrefixRate == (Rate{}) {
		p := l.PeerRate
		l.PrefixRate = Rate{Announces: 16 * p.Announces, Queries: 16 * p.Queries, Bytes: 16 * p.Bytes}
	}
	return l
}

func (l Limits) validate() error {
	for _, field := range []struct {
		name               string
		value, least, most int
	}{
		{"TableBytes", l.TableBytes, leastTable, 1 << 40},
		{"NamespaceBytes", l.NamespaceBytes, 1, l.TableBytes},
		{"Namespaces", l.Namespaces, 1, 127},
		{"BucketRows", l.BucketRows, 1, 1 << 16},
		{"Watches", l.Watches, 1, 1 << 16},
		{"Streams", l.Streams, 1, 1 << 20},
		{"PeerStreams", l.PeerStreams, 1, 1 << 10},
	} {
		if field.value < field.least || field.value > field.most {
			return fmt.Errorf("tracker: Limits.%s is %d, from %d to %d is right", field.name, field.value, field.least, field.most)
		}
	}
	for name, r := range map[string]Rate{"PeerRate": l.PeerRate, "PrefixRate": l.PrefixRate} {
		if !(r.Announces > 0 && r.Queries > 0 && r.Bytes > 0) {
			return fmt.Errorf("tracker: Limits.%s is %v, all of it must be above 0", name, r)
		}
	}
	return nil
}
