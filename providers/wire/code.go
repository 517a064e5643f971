package wire

import (
	"time"

	"github.com/souk-p2p/souk/providers/record"
)

// Code is why a tracker refuses. It is a small closed set; trackers count by it.
type Code uint8

// The codes. Their numbers are those on the wire.
const (
	CodeOther         Code = iota // for a reason that is not known here
	CodeInvalid                   // against the rules of form
	CodeSender                    // the record is about another peer than the one connected
	CodeSignature                 // the signature does not prove the record
	CodeSkew                      // the clocks of announcer and tracker differ too much
	CodeSequence                  // not newer than what is stored; Stored says what that is
	CodeUnknownRow                // a touch of a row that is not here, or not with that sequence: announce it
	CodeQuota                     // the announcer has as many namespaces as it may
	CodeRate                      // too often; RetryAfter says when it is right
	CodeFull                      // no room for the row
	CodeSubscriptions             // the stream has as many subscriptions as it may
	CodeNotServed                 // this tracker does not do that
	CodeUnavailable               // not now; another tracker may
	codes
)

// NumCodes is one more than the highest Code.
const NumCodes = int(codes)

var codeNames = [codes]string{
	CodeOther:         "other",
	CodeInvalid:       "invalid",
	CodeSender:        "sender",
	CodeSignature:     "signature",
	CodeSkew:          "skew",
	CodeSequence:      "sequence",
	CodeUnknownRow:    "unknown-row",
	CodeQuota:         "quota",
	CodeRate:          "rate",
	CodeFull:          "full",
	CodeSubscriptions: "subscriptions",
	CodeNotServed:     "not-served",
	CodeUnavailable:   "unavailable",
}

// String returns lower-case words joined by hyphens, which metrics use as a
// label.
func (c Code) String() string {
	if c >= codes {
		return codeNames[CodeOther]
	}
	return codeNames[c]
}

// CodeFor returns the code with which a tracker refuses a record for f.
func CodeFor(f record.Fault) Code {
	switch f {
	case record.FaultSender:
		return CodeSender
	case record.FaultSigner, record.FaultKey, record.FaultSignature:
		return CodeSignature
	case record.FaultSkew, record.FaultAge:
		return CodeSkew
	case record.FaultSequence:
		return CodeSequence
	}
	return CodeInvalid
}

// Refusal says what a tracker did not do.
type Refusal struct {
	Code       Code
	Item       int           // position in a touch; zero for a request about one thing
	RetryAfter time.Duration // before it is no use; in whole milliseconds, zero is not said
	Stored     uint64        // sequence of what is stored; zero is not said
}
