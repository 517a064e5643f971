package souk

import (
	"context"
	"errors"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/network"
	"github.com/souk-p2p/souk/session"
)

// SessionStat is how a session is doing.
type SessionStat struct {
	ID        uint64    `json:"id"`               // counted from 1 since the exchange was made
	Shared    bool      `json:"shared,omitempty"` // that of calls without a session of their own
	Namespace string    `json:"namespace,omitempty"`
	Named     []peer.ID `json:"named,omitempty"` // by its caller: at most 16 of them
	Only      bool      `json:"only,omitempty"`  // it asks those that were named and nobody else
	Opened    time.Time `json:"opened"`

	Calls     int    `json:"calls"`      // that are open
	WantsLeft int    `json:"wants_left"` // blocks that they wait for
	Blocks    uint64 `json:"blocks"`     // that came from peers
	Bytes     uint64 `json:"bytes"`      // of those
	Local     uint64 `json:"local"`      // blocks that were here already, or were put here by somebody else
	// Duplicates are want-blocks that were out at other peers when the block came:
	// each may bring the block once more.
	Duplicates uint64 `json:"duplicates"`
	Failed     uint64 `json:"failed"` // wants that could not be had
	Held       int    `json:"held"`   // bytes that were asked for or not yet taken by the callers
	Budget     int    `json:"budget"` // for those

	Peers int `json:"peers"` // that it knows
	// Doing is what the session waits for now; one of the keys of Spent.
	Doing string `json:"doing"`
	// Spent is where the time went, to the nearest hundredth of a second.
	Spent TimeSpent `json:"spent"`
}

// TimeSpent is where the time of a session went: each moment counts once.
type TimeSpent struct {
	Idle         time.Duration `json:"idle_ns"`         // nothing was wanted
	Store        time.Duration `json:"store_ns"`        // our store was asked
	Searching    time.Duration `json:"searching_ns"`    // the directory was asked, and nobody else could be
	Dialling     time.Duration `json:"dialling_ns"`     // peers were dialled, and nobody else could be asked
	Answers      time.Duration `json:"answers_ns"`      // peers were asked that had sent nothing of use
	Transferring time.Duration `json:"transferring_ns"` // blocks were to come from peers of which some had been of use
	Caller       time.Duration `json:"caller_ns"`       // the caller had results to take, for which all the room was used
	Nobody       time.Duration `json:"nobody_ns"`       // there was nobody left to be asked
}

// SessionDetail is all that is told of a session.
type SessionDetail struct {
	SessionStat
	Tried  []TriedPeer `json:"tried"`  // peers that it asked or tried to reach: at most 256, those of most use first
	Oldest []OldWant   `json:"oldest"` // what it has waited for longest: at most 16
}

// TriedPeer is what became of a peer in a session.
type TriedPeer struct {
	Peer peer.ID `json:"peer"`
	// Answer is the best that it gave: "blocks", "HAVE", "DONT_HAVE", "silent"; or
	// "asked", "not asked", "unreachable", "refused" (by us, for its strikes),
	// "denied" (by our access rules) and "disconnected".
	Answer    string `json:"answer"`
	Error     string `json:"error,omitempty"` // why it could not be reached
	Connected bool   `json:"connected"`
	// Source is who knew of the peer: "named" by the caller, the "directory", or
	// "connected" already.
	Source string `json:"source"`

	Blocks     uint64 `json:"blocks"`
	Bytes      uint64 `json:"bytes"`
	Haves      uint64 `json:"haves"`
	DontHaves  uint64 `json:"dont_haves"`
	Silences   uint64 `json:"silences"`    // wants that it did not answer in time
	Asked      int    `json:"asked"`       // want-blocks that are out at it now
	AskedBytes int    `json:"asked_bytes"` // what these are taken for

	Share int           `json:"share"` // of its window, in bytes, for this session
	Rate  float64       `json:"rate"`  // bytes a second
	RTT   time.Duration `json:"rtt_ns"`
	Late  bool          `json:"late,omitempty"`
}

// OldWant is a want of a session that has waited for long.
type OldWant struct {
	CID   cid.Cid       `json:"cid"`
	Age   time.Duration `json:"age_ns"`
	Waits string        `json:"waits"`           // for what: a few words
	Peers []peer.ID     `json:"peers,omitempty"` // that owe an answer: at most 8
}

// The bounds of what is told of sessions.
const (
	defaultSessions = 1_000
	sessionPatience = time.Second // with a session that does not answer
)

// Sessions returns the sessions that are open, by id: at most most of them, the
// first with an id above after; 0 is 1,000. One that does not answer within a second
// is left out. The error is the context's.
func (x *Exchange) Sessions(ctx context.Context, after uint64, most int) ([]SessionStat, error) {
	if most <= 0 {
		most = defaultSessions
	}
	all := []SessionStat{}
	open, _ := x.openSessions()
	for _, s := range open {
		if s.ID() <= after || len(all) == most {
			continue
		}
		if d, ok := x.look(ctx, s, false); ok {
			all = append(all, d.SessionStat)
		}
		if err := context.Cause(ctx); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// Session returns all that is told of an open session, and whether there is one
// with the id that answers.
func (x *Exchange) Session(ctx context.Context, id uint64) (SessionDetail, bool) {
	open, _ := x.openSessions()
	for _, s := range open {
		if s.ID() == id {
			return x.look(ctx, s, true)
		}
	}
	return SessionDetail{}, false
}

// look asks a session how it is doing.
func (x *Exchange) look(ctx context.Context, s *session.Session, detail bool) (SessionDetail, bool) {
	ctx, cancel := context.WithTimeout(ctx, sessionPatience)
	defer cancel()
	r, err := s.Report(ctx, detail)
	if err != nil {
		return SessionDetail{}, false
	}
	d := SessionDetail{SessionStat: sessionStat(s, &r), Tried: make([]TriedPeer, len(r.Tried)), Oldest: make([]OldWant, len(r.Oldest))}
	x.mu.Lock()
	d.Shared = s == x.common
	x.mu.Unlock()
	for i := range r.Tried {
		d.Tried[i] = tried(&r.Tried[i])
	}
	for i, w := range r.Oldest {
		d.Oldest[i] = OldWant{CID: w.CID, Age: w.Age, Waits: w.Waits, Peers: w.Peers}
	}
	return d, true
}

func sessionStat(s *session.Session, r *session.Report) SessionStat {
	return SessionStat{
		ID: s.ID(), Namespace: r.Namespace, Named: r.Named, Only: r.Only, Opened: s.Opened(),
		Calls: r.Calls, WantsLeft: r.Wants, Blocks: r.Blocks, Bytes: r.Bytes, Local: r.Local, Duplicates: r.Duplicates,
		Failed: r.Failed, Held: r.Held, Budget: r.Budget, Peers: r.Peers, Doing: r.Doing.String(),
		Spent: TimeSpent{
			Idle: r.Spent[session.Idle], Store: r.Spent[session.Store], Searching: r.Spent[session.Searching],
			Dialling: r.Spent[session.Dialling], Answers: r.Spent[session.Answers], Transferring: r.Spent[session.Transferring],
			Caller: r.Spent[session.Unread], Nobody: r.Spent[session.Nobody],
		},
	}
}

func tried(p *session.PeerReport) TriedPeer {
	t := TriedPeer{
		Peer: p.Peer, Answer: answer(p), Connected: p.Connected, Source: "connected",
		Blocks: p.Blocks, Bytes: p.Bytes, Haves: p.Haves, DontHaves: p.DontHaves, Silences: p.Silences,
		Asked: p.Asked, AskedBytes: p.AskedBytes, Share: p.Share, Rate: p.Rate, RTT: p.RTT, Late: p.Late,
	}
	switch {
	case p.Named:
		t.Source = "named"
	case p.Listed:
		t.Source = "directory"
	}
	if p.Err != nil {
		t.Error = p.Err.Error()
	}
	return t
}

// answer is the best that a peer gave.
func answer(p *session.PeerReport) string {
	switch {
	case p.Outcome == session.Denied:
		return "denied"
	case p.Blocks > 0:
		return "blocks"
	case p.Outcome == session.Have:
		return "HAVE"
	case p.Outcome == session.DontHave:
		return "DONT_HAVE"
	case p.Outcome == session.Unreachable && errors.Is(p.Err, network.ErrRefused):
		return "refused"
	case p.Outcome == session.Unreachable:
		return "unreachable"
	case p.Outcome == session.Left:
		return "disconnected"
	case p.Silences > 0:
		return "silent"
	case p.Outcome == session.NoAnswer:
		return "asked"
	}
	return "not asked"
}
