package wire

import (
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/providers/record"
)

// Kind is which message a message is. Its number is that of its field in a
// frame.
type Kind uint8

// The kinds.
const (
	KindAnnounce    Kind = 1
	KindTouch       Kind = 2
	KindQuery       Kind = 3
	KindFeedback    Kind = 4
	KindSubscribe   Kind = 5
	KindUnsubscribe Kind = 6
	KindGetTrackers Kind = 7
	KindReply       Kind = 8
	KindReceipt     Kind = 9
	KindNotify      Kind = 10
	KindTrackers    Kind = 11
)

var kindNames = [...]string{
	"message", "announce", "touch", "query", "feedback", "subscribe", "unsubscribe", "get-trackers",
	"reply", "receipt", "notify", "trackers",
}

// String returns lower-case words joined by hyphens, which metrics use as a
// label.
func (k Kind) String() string {
	if int(k) >= len(kindNames) {
		return "unknown"
	}
	return kindNames[k]
}

// FromTracker reports whether it is a tracker that sends k.
func (k Kind) FromTracker() bool { return k >= KindReply }

// RequestID is the number of a request on its stream. The client chooses it, above
// zero, and not one of a request or subscription that is open.
type RequestID uint64

// Message is what a frame holds: one of the types below, as a pointer.
type Message interface {
	Kind() Kind
	// appendBody appends the message as protobuf.
	appendBody([]byte) []byte
	// check returns an error with a fault if the message is against the rules.
	check() error
	id() RequestID
}

// What a client sends.
type (
	// Announce hands over a signed record, or with a TTL of zero withdraws one.
	// The answer is a Receipt.
	Announce struct {
		ID     RequestID
		Record []byte // see record.Parse
	}

	// Touch says that what the announcer's records say is still so. It is
	// unsigned, and counts because of the connection that it comes over. The answer
	// is a Receipt.
	Touch struct {
		ID   RequestID
		Rows []Touched // at most MaxTouches
	}

	// Query asks who holds a namespace. The answer is a Reply.
	Query struct {
		ID RequestID
		About
		K    int    // rows at most, clamped to MaxRows; zero asks for none
		Seed uint64 // makes the choice repeatable as long as the rows stay the same; zero leaves it open
	}

	// Feedback says how the peers of a reply turned out. It has no answer.
	Feedback struct {
		Token []byte      // of that reply, at most MaxToken bytes
		Peers []Judgement // at most MaxJudgements
	}

	// Subscribe asks to be told of new rows until Unsubscribe or the end of the
	// stream. The answer is a Receipt; then come Notify messages with its number.
	Subscribe struct {
		ID RequestID
		About
	}

	// Unsubscribe ends the subscription with its number. It has no answer; a
	// notice that was on its way may still come.
	Unsubscribe struct {
		ID RequestID
	}

	// GetTrackers asks for the tracker's signed list of trackers. The answer is
	// Trackers.
	GetTrackers struct {
		ID    RequestID
		Known uint64 // sequence of the list that the client has; zero is none
	}
)

// What a tracker sends.
type (
	// Reply answers a Query.
	Reply struct {
		ID      RequestID
		Rows    []Row    // at most MaxRows, best first
		Token   []byte   // for Feedback, at most MaxToken bytes; empty when none is wanted
		Refusal *Refusal // nil when the query was answered
	}

	// Receipt answers an Announce, a Touch or a Subscribe. What is not among the
	// refusals was done.
	Receipt struct {
		ID       RequestID
		Refusals []Refusal // at most MaxRefusals, one for an item
	}

	// Notify tells of rows that are new to a subscription.
	Notify struct {
		ID   RequestID // of the Subscribe
		Rows []Row     // at most MaxRows
		More bool      // there were more than it may be told; a Query finds them
	}

	// Trackers answers GetTrackers.
	Trackers struct {
		ID      RequestID
		Signed  []byte   // see record.ParseTrackers; empty when the client's is as new
		Refusal *Refusal // nil when the request was answered
	}
)

// About is what a query or a subscription is about. At most one of Point and Key
// is there.
type About struct {
	Namespace record.Namespace
	Point     *record.Point // rows that hold it; nil is any
	Key       []byte        // rows that hold it, at most record.MaxKey bytes; empty is any
	Roles     record.Roles  // rows with all of these
}

// Touched is a row that a Touch keeps alive.
type Touched struct {
	Namespace record.Namespace
	Sequence  uint64 // of the record that is meant
}

// Row is a record with what the tracker thinks of it.
type Row struct {
	Record []byte // see record.Parse; at most record.MaxSigned bytes

	// Verified and Unverified are the addresses that are worth dialling, best
	// first. Those in neither the tracker refuses.
	Verified, Unverified record.AddrSet

	Age   time.Duration // since the tracker heard from the provider; in whole seconds
	Score Score
}

// Score is what a tracker has heard about a provider.
type Score uint8

// The scores. One with another number on the wire is read as ScoreNew.
const (
	ScoreNew  Score = iota // nothing yet
	ScoreGood              // it serves what it says
	ScoreFair              // both good and bad
	ScorePoor              // it is dead or empty, by several voices
	scores
)

// Judgement is how a peer of a reply turned out.
type Judgement struct {
	Peer    peer.ID
	Outcome Outcome
	// Samples are CIDs that the peer served, or with OutcomeEmpty did not have, at
	// most MaxSamples. A tracker probes announcers with them.
	Samples []cid.Cid
}

// Outcome is what came of asking a peer.
type Outcome uint8

// The outcomes.
const (
	OutcomeDead   Outcome = iota + 1 // it could not be reached
	OutcomeEmpty                     // it did not have what it says
	OutcomeServed                    // it sent what it says
	outcomes
)

// Kind returns KindAnnounce.
func (*Announce) Kind() Kind { return KindAnnounce }

// Kind returns KindTouch.
func (*Touch) Kind() Kind { return KindTouch }

// Kind returns KindQuery.
func (*Query) Kind() Kind { return KindQuery }

// Kind returns KindFeedback.
func (*Feedback) Kind() Kind { return KindFeedback }

// Kind returns KindSubscribe.
func (*Subscribe) Kind() Kind { return KindSubscribe }

// Kind returns KindUnsubscribe.
func (*Unsubscribe) Kind() Kind { return KindUnsubscribe }

// Kind returns KindGetTrackers.
func (*GetTrackers) Kind() Kind { return KindGetTrackers }

// Kind returns KindReply.
func (*Reply) Kind() Kind { return KindReply }

// Kind returns KindReceipt.
func (*Receipt) Kind() Kind { return KindReceipt }

// Kind returns KindNotify.
func (*Notify) Kind() Kind { return KindNotify }

// Kind returns KindTrackers.
func (*Trackers) Kind() Kind { return KindTrackers }
