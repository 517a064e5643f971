package providers

import (
	"crypto/rand"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/providers/record"
	"github.com/souk-p2p/souk/providers/wire"
)

// provider is somebody who signs records.
type provider struct {
	*testing.T
	key crypto.PrivKey
	id  peer.ID
}

func newProvider(t *testing.T) *provider {
	key, _, err := crypto.GenerateEd25519Key(rand.Reader)
	require.NoError(t, err)
	id, err := peer.IDFromPrivateKey(key)
	require.NoError(t, err)
	return &provider{t, key, id}
}

// row is one of an answer about "films", as changed.
func (p *provider) row(change func(*record.Record)) wire.Row {
	rec := record.Record{
		Namespace: "films", Sequence: 1, Issued: began, TTL: time.Hour, Roles: record.Blocks,
		Addrs: []multiaddr.Multiaddr{
			multiaddr.StringCast("/ip4/192.0.2.1/tcp/1"), multiaddr.StringCast("/dns4/example.org/tcp/2"),
		},
	}
	if change != nil {
		change(&rec)
	}
	signed, err := record.Sign(p.key, rec)
	require.NoError(p, err)
	return wire.Row{Record: signed.Bytes(), Verified: 1, Unverified: 3}
}

func inspecting(self peer.ID) inspector {
	return inspector{self: self, verify: (*record.Signed).Verify}
}

var aboutFilms = wire.About{Namespace: "films"}

func (p *provider) check(about wire.About, row wire.Row) reply {
	return inspecting("me").reply(began, about, 8, &wire.Reply{Rows: []wire.Row{row}, Token: []byte("token")})
}

func TestARowThatIsRightIsACandidate(t *testing.T) {
	p := newProvider(t)
	r := p.check(aboutFilms, p.row(func(rec *record.Record) { rec.Complete, rec.Capacity = true, 9 }))
	require.False(t, r.lied || r.failed || r.refused)
	require.Equal(t, "token", r.token)
	require.Len(t, r.rows, 1)
	c := r.rows[0]
	require.Equal(t, p.id, c.ID)
	require.True(t, c.whole())
	require.True(t, c.row.verified)
	require.Equal(t, uint32(9), c.row.capacity)
	require.Len(t, c.Addrs, 2)
	require.Equal(t, "/ip4/192.0.2.1/tcp/1", c.Addrs[0].String(), "the one that was seen comes first")
}

func TestRowsThatCannotBeUsedAreLeftOut(t *testing.T) {
	p, other := newProvider(t), newProvider(t)
	point, _ := record.PointOf(sample("x")[0])
	elsewhere, err := record.NewRanges(record.Range{From: point + 1, To: point + 1})
	require.NoError(t, err)
	keys, err := record.NewKeyRanges(record.KeyRange{From: "a", To: "c"})
	require.NoError(t, err)
	at := wire.About{Namespace: "films", Point: &point}
	for name, row := range map[string]struct {
		about wire.About
		row   wire.Row
		lie   bool
	}{
		"bytes":              {aboutFilms, wire.Row{Record: []byte("bytes")}, true},
		"nothing":            {aboutFilms, wire.Row{}, true},
		"another namespace":  {aboutFilms, p.row(func(r *record.Record) { r.Namespace = "songs" }), true},
		"withdrawn":          {aboutFilms, p.row(func(r *record.Record) { r.TTL = 0 }), true},
		"nobody's signature": {aboutFilms, p.forged(nil), true},
		"another's words":    {aboutFilms, other.forged(p), true},
		"of yesterday":       {aboutFilms, p.row(func(r *record.Record) { r.Issued = began.Add(-25 * time.Hour) }), false},
		"of tomorrow":        {aboutFilms, p.row(func(r *record.Record) { r.Issued = began.Add(time.Hour) }), false},
		"another point":      {at, p.row(func(r *record.Record) { r.Ranges = elsewhere }), false},
		"keys for a point":   {at, p.row(func(r *record.Record) { r.Keys = keys }), false},
		"another key":        {wire.About{Namespace: "films", Key: []byte("c")}, p.row(func(r *record.Record) { r.Keys = keys }), false},
		"points for a key":   {wire.About{Namespace: "films", Key: []byte("b")}, p.row(func(r *record.Record) { r.Ranges = elsewhere }), false},
		"another role":       {wire.About{Namespace: "films", Roles: record.Resolver}, p.row(nil), false},
	} {
		t.Run(name, func(t *testing.T) {
			r := p.check(row.about, row.row)
			require.Empty(t, r.rows)
			require.Equal(t, row.lie, r.lied)
		})
	}
	require.Len(t, p.check(wire.About{Namespace: "films", Key: []byte("b")}, p.row(func(r *record.Record) { r.Keys = keys })).rows, 1)
}

// forged is a row whose record has lost a bit of its signature, or has what another
// has signed.
func (p *provider) forged(by *provider) wire.Row {
	row := p.row(nil)
	if by != nil {
		theirs := by.row(func(rec *record.Record) { rec.Sequence = 2 })
		copy(row.Record[len(row.Record)-64:], theirs.Record[len(theirs.Record)-64:])
		return row
	}
	row.Record[len(row.Record)-1] ^= 1
	return row
}

func TestOurOwnRowAndTheSameTwiceAreLeftOut(t *testing.T) {
	p := newProvider(t)
	row := p.row(nil)
	r := inspecting("me").rows(began, aboutFilms, 8, []wire.Row{row, row})
	require.Len(t, r.rows, 1)
	require.Empty(t, inspecting(p.id).rows(began, aboutFilms, 8, []wire.Row{row}).rows)
}

// A tracker does not decide how much there is to verify and to dial.
func TestNoMoreRowsAreLookedAtThanWereAskedFor(t *testing.T) {
	var rows []wire.Row
	verified := 0
	in := inspector{verify: func(*record.Signed) error { verified++; return nil }}
	for range 5 {
		rows = append(rows, newProvider(t).row(nil))
	}
	require.Len(t, in.rows(began, aboutFilms, 3, rows).rows, 3)
	require.Equal(t, 3, verified)
}

func TestUnverifiedAddressesAreFourAtMost(t *testing.T) {
	p := newProvider(t)
	row := p.row(func(rec *record.Record) {
		rec.Addrs = nil
		for range record.MaxAddrs {
			rec.Addrs = append(rec.Addrs, multiaddr.StringCast("/dns4/example.org/tcp/2"))
		}
	})
	row.Verified, row.Unverified = 0, 0xffff
	r := p.check(aboutFilms, row)
	require.Len(t, r.rows[0].Addrs, record.MaxUnverified)
	require.False(t, r.rows[0].row.verified)
}

func TestARefusalIsNotAnAnswer(t *testing.T) {
	p := newProvider(t)
	r := inspecting("me").reply(began, aboutFilms, 8, &wire.Reply{
		Rows: []wire.Row{p.row(nil)}, Refusal: &wire.Refusal{Code: wire.CodeRate, RetryAfter: time.Second},
	})
	require.Equal(t, reply{refused: true, again: time.Second}, r)
}
