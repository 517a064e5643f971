package repo

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/souk-p2p/souk/providers/record"
)

// Shards are those from one to another, both included. A shard is a 256th of a
// namespace; as text it is two hexadecimal digits, and several are two such with
// a hyphen.
type Shards struct{ From, To record.Shard }

// ParseShards reads shards and ranges of them with commas in between, as
// 00-0f,a0.
func ParseShards(text string) ([]Shards, error) {
	var all []Shards
	for part := range strings.SplitSeq(text, ",") {
		var s Shards
		if err := s.UnmarshalText([]byte(strings.TrimSpace(part))); err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

func (s Shards) String() string {
	if s.From == s.To {
		return fmt.Sprintf("%02x", s.From)
	}
	return fmt.Sprintf("%02x-%02x", s.From, s.To)
}

// MarshalText implements [encoding.TextMarshaler].
func (s Shards) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (s *Shards) UnmarshalText(text []byte) error {
	from, to, several := strings.Cut(string(text), "-")
	if !several {
		to = from
	}
	first, ok := parseShard(from)
	last, right := parseShard(to)
	switch {
	case !ok || !right:
		return fmt.Errorf("%q is neither a shard from 00 to ff nor a range of them, as 00-0f", text)
	case last < first:
		return fmt.Errorf("%q ends before it begins: %02x-%02x is right", text, last, first)
	}
	s.From, s.To = first, last
	return nil
}

func parseShard(text string) (record.Shard, bool) {
	n, err := strconv.ParseUint(text, 16, 8)
	return record.Shard(n), err == nil && len(text) == 2
}

// points are those of the digests that lie in the shards.
func (s Shards) points() record.Range {
	return record.Range{From: record.Point(s.From) << 8, To: record.Point(s.To)<<8 | 0xff}
}
