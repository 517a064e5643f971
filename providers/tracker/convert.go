package tracker

import (
	"encoding/binary"
	"net/netip"

	"github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"

	"github.com/souk-p2p/souk/providers/record"
	"github.com/souk-p2p/souk/providers/wire"
)

// observed is the address that a peer is seen at. There is none behind a relay,
// whose address says nothing of the peer.
func observed(remote multiaddr.Multiaddr) netip.Addr {
	for _, c := range remote {
		if c.Code() == multiaddr.P_CIRCUIT {
			return netip.Addr{}
		}
	}
	ip, err := manet.ToIP(remote)
	if err != nil {
		return netip.Addr{}
	}
	addr, _ := netip.AddrFromSlice(ip)
	return addr.Unmap()
}

// codes are what the refusals of the table are on the wire.
var codes = [refusals]wire.Code{
	RefusedSize:       wire.CodeInvalid,
	RefusedRate:       wire.CodeRate,
	RefusedPrefixRate: wire.CodeRate,
	RefusedSequence:   wire.CodeSequence,
	RefusedNamespaces: wire.CodeQuota,
	RefusedFull:       wire.CodeFull,
	RefusedEarly:      wire.CodeSkew,
	RefusedLate:       wire.CodeSkew,
	RefusedUnknown:    wire.CodeUnknownRow,
	RefusedWatches:    wire.CodeSubscriptions,
	RefusedCrowd:      wire.CodeUnavailable,
	RefusedNumber:     wire.CodeInvalid,
}

// refusalOf is a verdict on the wire, nil for acceptance.
func refusalOf(v Verdict) *wire.Refusal {
	if v.Refusal == Accepted {
		return nil
	}
	return &wire.Refusal{Code: codes[v.Refusal], RetryAfter: v.After, Stored: v.Seq}
}

// touchRefusal is why a row was not touched: one with another sequence is not
// there, either.
func touchRefusal(v Verdict, item int) (wire.Refusal, bool) {
	refusal := refusalOf(v)
	if refusal == nil {
		return wire.Refusal{}, false
	}
	if refusal.Code == wire.CodeSequence {
		refusal.Code = wire.CodeUnknownRow
	}
	refusal.Item = item
	return *refusal, true
}

// queryOf is what a request is about. Roles that the table does not keep nobody
// has for all it knows: then no rows are wanted.
func queryOf(about wire.About, k int) Query {
	q := Query{Namespace: string(about.Namespace), Key: string(about.Key), Roles: Roles(about.Roles), K: uint64(max(k, 0))}
	if about.Point != nil {
		q.Point, q.HasPoint = *about.Point, true
	}
	if record.Roles(q.Roles) != about.Roles {
		q.K = 0
	}
	return q
}

func rowsOf(candidates []Candidate) []wire.Row {
	rows := make([]wire.Row, 0, len(candidates))
	for _, c := range candidates {
		rows = append(rows, wire.Row{
			Record: c.Record, Verified: c.Verified, Unverified: c.Unverified, Age: c.Age, Score: scoreOf(c.Score),
		})
	}
	return rows
}

// scoreOf is a score on the wire: good from half a voice on, poor from one and a
// half, and new again when hardly any is remembered.
func scoreOf(score float32) wire.Score {
	switch {
	case score >= 0.5:
		return wire.ScoreGood
	case score <= -1.5:
		return wire.ScorePoor
	case score > -0.25 && score < 0.25:
		return wire.ScoreNew
	}
	return wire.ScoreFair
}

// sizeOf is about what rows take in a frame.
func sizeOf(rows []wire.Row) (size int) {
	for _, r := range rows {
		size += rowOverhead + len(r.Record)
	}
	return size
}

// rowOverhead is what a row takes in a frame beside its record, at most.
const rowOverhead = 32

// fitRows returns as many rows, from the first, as fit.
func fitRows(rows []wire.Row, room int) []wire.Row {
	for i := range rows {
		if sizeOf(rows[:i+1]) > room {
			return rows[:i]
		}
	}
	return rows
}

func tokenBytes(token uint64) []byte {
	if token == 0 {
		return nil
	}
	return binary.BigEndian.AppendUint64(nil, token)
}

func tokenOf(b []byte) uint64 {
	if len(b) != 8 {
		return 0
	}
	return binary.BigEndian.Uint64(b)
}

// reportsOf takes of feedback what each peer did, and what they served.
func reportsOf(judgements []wire.Judgement) (reports []Report, samples []Sample) {
	for _, j := range judgements {
		result, known := results[j.Outcome]
		if !known {
			continue
		}
		reports = append(reports, Report{j.Peer, result})
		if result != Served {
			continue
		}
		for _, c := range j.Samples {
			if at, ok := record.PointOf(c); ok && len(samples) < samplesFor {
				samples = append(samples, Sample{string(c.Bytes()), at})
			}
		}
	}
	return reports, samples
}

var results = map[wire.Outcome]Result{wire.OutcomeDead: Dead, wire.OutcomeEmpty: Empty, wire.OutcomeServed: Served}

// announcementOf is what a record says, seen from here.
func announcementOf(s *record.Signed, origin netip.Addr) Announcement {
	r := s.Record()
	verified, unverified := r.Reach(origin, record.ScopeOf(origin))
	return Announcement{
		Peer: r.Peer, Namespace: string(r.Namespace), Ranges: r.Ranges, Keys: r.Keys, Complete: r.Complete,
		Roles: Roles(r.Roles), Capacity: r.Capacity, Seq: r.Sequence, Issued: r.Issued, TTL: r.TTL,
		Record: s.Bytes(), Origin: origin, Verified: verified, Unverified: unverified,
	}
}

// claimOf is what is known of an announcement before its signature is verified.
func claimOf(a Announcement, size int) Claim {
	return Claim{
		Peer: a.Peer, Origin: a.Origin, Namespace: a.Namespace, Ranges: a.Ranges, Withdraws: a.TTL == 0, Seq: a.Seq, Size: size,
	}
}
