package souk

import (
	"context"
	"errors"
	"strings"
	"time"

	p2pnet "github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/internal/actor"
	"github.com/souk-p2p/souk/rate"
	"github.com/souk-p2p/souk/wantmanager"
)

// PeerStat is a peer that is connected and speaks Bitswap.
type PeerStat struct {
	Peer     peer.ID `json:"peer"`
	Agent    string  `json:"agent,omitempty"`    // what it calls itself: any text, at most 128 bytes
	Protocol string  `json:"protocol,omitempty"` // the newest of Bitswap that both sides have
	// Since is when it came to have a connection that Bitswap may use.
	Since       time.Time        `json:"since,omitzero"`
	Connections []ConnectionStat `json:"connections"`

	// Class is "proven" for a peer with which blocks were exchanged, whose place
	// nobody else takes, and "new" for any other.
	Class string `json:"class"`
	// AccessClass is the class that the access rules put it into, which says how fast
	// blocks may come and go; empty for none.
	AccessClass string `json:"access_class,omitempty"`
	// Strikes is what it has done wrong of late, in points; at StrikeLimit it is
	// refused for a while.
	Strikes     int     `json:"strikes"`
	StrikeLimit int     `json:"strike_limit"`
	Score       float64 `json:"score"` // how it performs, 0 to 1; see [ledger.Scores.Of]

	// Window is how many bytes we ask it for at a time; RTT the lowest time of late
	// from a want to the first byte of its answer, and Rate the highest rate of
	// late, in bytes a second; both 0 when not measured.
	Window int           `json:"window"`
	RTT    time.Duration `json:"rtt_ns"`
	Rate   float64       `json:"rate"`
	// Late says that we wait for longer than the peer usually takes.
	Late bool `json:"late,omitempty"`

	WantsSent     WantCount `json:"wants_sent"`
	WantsReceived int       `json:"wants_received"` // that it wants now and has not got
}

// WantCount is how many wants are at a peer, by where they stand.
type WantCount struct {
	Queued     int `json:"queued"`     // not written yet
	Unanswered int `json:"unanswered"` // being written, or written
	DontHave   int `json:"dont_have"`  // answered DONT_HAVE, and left with the peer
}

// ConnectionStat is one connection to a peer.
type ConnectionStat struct {
	Address string    `json:"address"` // of the other side; at most 256 bytes
	Inbound bool      `json:"inbound"`
	Limited bool      `json:"limited,omitempty"` // relayed, for little data and time
	Opened  time.Time `json:"opened,omitzero"`
	Streams int       `json:"streams"` // of all protocols
}

// The bounds of what is told of a peer.
const (
	mostAgent       = 128 // bytes: what Kubo and others call themselves takes 20 to 60
	mostAddress     = 256 // bytes: twice the longest that is in use
	mostConnections = 8   // of a peer: more say nothing
	peersAtOnce     = 256 // that an actor is asked about: some ten microseconds of its time
)

// Peers returns the peers that are connected and speak Bitswap, by id. What the
// actors know of them is asked for in pieces, so that a long list holds nobody up.
// The error is the context's or [ErrClosed].
func (x *Exchange) Peers(ctx context.Context) ([]PeerStat, error) {
	connected, scores := x.network.Connected(), x.ledger.Scores()
	wanted, err := x.engine.Wants(ctx)
	if err != nil {
		return nil, ended(err)
	}
	all := make([]PeerStat, len(connected))
	ids := make([]peer.ID, len(connected))
	for i, p := range connected {
		ids[i] = p.Peer
		all[i] = PeerStat{
			Peer: p.Peer, Protocol: string(p.Protocol), Since: p.Since, Class: x.class(p.Peer),
			Strikes: p.Strikes, StrikeLimit: p.StrikeLimit, Score: scores.Of(p.Peer), WantsReceived: wanted[p.Peer],
		}
		if class := x.policy.class(p.Peer); class != rate.Default {
			all[i].AccessClass = class
		}
		x.describe(&all[i])
	}
	for from := 0; from < len(ids); from += peersAtOnce {
		part := all[from:min(from+peersAtOnce, len(all))]
		reports, err := x.wants.Reports(ctx, ids[from:from+len(part)])
		if err != nil {
			return nil, ended(err)
		}
		for i := range part {
			part[i].report(&reports[i])
		}
	}
	return all, nil
}

func (p *PeerStat) report(r *wantmanager.PeerReport) {
	p.Window, p.Rate, p.RTT, p.Late = r.Window, r.Rate, r.RTT, r.Late
	p.WantsSent = WantCount{Queued: r.Queued, Unanswered: r.Flying, DontHave: r.Refused}
}

func (x *Exchange) class(p peer.ID) string {
	if x.proven(p) {
		return "proven"
	}
	return "new"
}

// describe adds what the host knows of a peer. A host that panics knows nothing.
func (x *Exchange) describe(p *PeerStat) {
	p.Connections = []ConnectionStat{}
	_ = actor.Guard("host", x.panics.contained, func() error {
		p.Agent = x.agent(p.Peer)
		for _, c := range x.host.Network().ConnsToPeer(p.Peer) {
			if len(p.Connections) < mostConnections && !c.IsClosed() {
				p.Connections = append(p.Connections, connection(c))
			}
		}
		return nil
	})
}

func connection(c p2pnet.Conn) ConnectionStat {
	stat := c.Stat()
	return ConnectionStat{
		Address: bounded(c.RemoteMultiaddr().String(), mostAddress), Inbound: stat.Direction == p2pnet.DirInbound,
		Limited: stat.Limited, Opened: stat.Opened, Streams: stat.NumStreams,
	}
}

// agent is what a peer calls itself, or empty.
func (x *Exchange) agent(p peer.ID) string {
	said, err := x.host.Peerstore().Get(p, "AgentVersion")
	if err != nil {
		return ""
	}
	name, _ := said.(string)
	return bounded(name, mostAgent)
}

// bounded is a text of a peer in valid UTF-8, cut where it is longer than most bytes.
func bounded(text string, most int) string {
	text = strings.ToValidUTF8(text[:min(len(text), most)], "")
	return strings.Clone(text) // A long text is not kept for its beginning.
}

// ended speaks of the exchange where an actor says that it has ended.
func ended(err error) error {
	if errors.Is(err, actor.ErrClosed) {
		return ErrClosed
	}
	return err
}
