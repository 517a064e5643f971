package client

import (
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/providers/record"
	"github.com/souk-p2p/souk/providers/wire"
)

// sift returns those of at most n rows that are what was asked about. What an
// honest tracker never hands out is an error: a row that does not parse, is of
// another namespace, is there twice, or that its provider did not sign. A row that
// has become old on the way, or that does not hold what was asked for, is left
// out.
func (c *Client) sift(about *wire.About, rows []wire.Row, n int) ([]wire.Row, error) {
	if len(rows) > n {
		return nil, faultf("%d rows: %d were asked for", len(rows), n)
	}
	now, seen := time.Now(), make(map[peer.ID]struct{}, len(rows))
	var good []wire.Row
	for _, row := range rows {
		s, err := record.Parse(row.Record)
		if err != nil {
			return nil, err
		}
		r := s.Record()
		if _, twice := seen[r.Peer]; twice || r.Namespace != about.Namespace {
			return nil, faultf("row of %s in %q twice or not asked for", r.Peer, r.Namespace)
		}
		seen[r.Peer] = struct{}{}
		if r.Peer == c.cfg.Self || s.CheckListed(now) != nil || !holds(r, about) {
			continue
		}
		if err := s.Verify(); err != nil {
			return nil, err
		}
		good = append(good, row)
	}
	return good, nil
}

// holds reports whether a record is for what a question is about.
func holds(r *record.Record, about *wire.About) bool {
	switch {
	case !r.Roles.Has(about.Roles):
		return false
	case about.Point != nil:
		return r.Keys.Empty() && r.Ranges.Contains(*about.Point)
	case len(about.Key) > 0:
		return r.Keys.Empty() && r.Ranges.Everything() || r.Keys.Contains(string(about.Key))
	}
	return true
}
