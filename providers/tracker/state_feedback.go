package tracker

import (
	"net/netip"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

const (
	reported   = 32  // rows of an answer that feedback may be about; clients ask for no more
	replySet   = 16  // answers of one prefix that are remembered
	replyFor   = 900 // seconds that feedback may take
	samplesFor = 8   // samples kept of a namespace
	sampleSize = 64  // bytes of a CID that is kept as one
)

// reply is what was answered to whom, for the feedback on it.
type reply struct {
	token uint64
	asker uint64
	at    uint32
	rows  [reported]ref
}

// vote is that somebody of a prefix spoke about a row.
type vote struct {
	what uint64
	at   uint32
}

// remember keeps the rows of an answer and returns the token for them. A prefix
// has few places, so that nobody makes the table forget the answers of others.
func (t *Table) remember(now uint32, q *Query, picks []drawn) uint64 {
	if len(picks) == 0 {
		return 0
	}
	nth := t.draw()
	place := t.key.words(uint64(prefixOf(q.Origin)), nth%replySet) & uint64(len(t.replies)-1)
	r := &t.replies[place]
	*r = reply{token: nth&^uint64(len(t.replies)-1) | place, asker: t.key.text(string(q.Peer)), at: now}
	for i, d := range picks[:min(len(picks), reported)] {
		r.rows[i] = t.refTo(d.row)
	}
	return r.token
}

// Feedback takes what a client says of an answer that it had: the token must be
// of that answer, and of a prefix the first voice about a row counts.
func (t *Table) Feedback(now time.Time, id peer.ID, from netip.Addr, token uint64, reports []Report, samples []Sample) Verdict {
	if len(reports) > mostRows || len(samples) > samplesFor {
		return t.refuse(Verdict{Refusal: RefusedSize})
	}
	if v := t.charge(now, id, from, cost{queries: 0.5}); v.Refusal != Accepted {
		return t.refuse(v)
	}
	r := &t.replies[token&uint64(len(t.replies)-1)]
	if token == 0 || r.token != token || r.asker != t.key.text(string(id)) || second(now) > r.at+replyFor {
		return t.refuse(Verdict{Refusal: RefusedUnknown})
	}
	for _, rep := range reports {
		if h := t.inReply(r, rep.Peer); h != 0 && t.firstVoice(second(now), h, prefixOf(from)) {
			t.score(second(now), h, rep.Result)
			if rep.Result == Served {
				t.keepSamples(t.rows.at(h).space, samples)
			}
		}
	}
	t.stat.Feedback++
	return Verdict{}
}

// inReply is the row of a peer that was in an answer, if it is still there.
func (t *Table) inReply(r *reply, id peer.ID) handle {
	for _, x := range r.rows {
		if h := t.deref(x); h != 0 && t.announcers.at(t.rows.at(h).announcer).is(identityOf(id)) {
			return h
		}
	}
	return 0
}

// deref is the row that a reference means, or 0 when it has gone.
func (t *Table) deref(x ref) handle {
	h := handle(x >> 32)
	if !t.rows.has(h) {
		return 0
	}
	if r := t.rows.at(h); r.announcer == 0 || r.born != uint32(x) || r.withdrawn() {
		return 0
	}
	return h
}

func (t *Table) firstVoice(now uint32, h handle, p prefix) bool {
	what := t.key.words(uint64(t.refTo(h)), uint64(p)) | 1
	set := t.votes[what>>1&uint64(len(t.votes)/ways-1)*ways:][:ways]
	oldest := &set[0]
	for i := range set {
		if set[i].what == what && now < set[i].at+halfLife {
			return false
		}
		if set[i].what == what || set[i].at < oldest.at {
			oldest = &set[i]
		}
	}
	*oldest = vote{what: what, at: now}
	return true
}
