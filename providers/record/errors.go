package record

import (
	"errors"
	"fmt"
)

// Fault is a reason for which a record or a list is refused. It is a small
// closed set, which trackers count by.
type Fault uint8

// The faults.
const (
	FaultSize      Fault = iota + 1 // more bytes than the limit
	FaultEncoding                   // not a well-formed protobuf message of the schema's types
	FaultPeer                       // no peer, or one that does not parse
	FaultNamespace                  // against the rules for namespaces
	FaultRanges                     // too many ranges, or one that ends before it begins
	FaultKeys                       // too many key ranges, too long a bound, an empty range, or ranges of both kinds
	FaultAddrs                      // too many addresses, too long a one, or one of another peer
	FaultTrackers                   // too many trackers, or the same one twice
	FaultKey                        // a public key that is missing, too long or does not parse
	FaultSender                     // not announced by the peer that it is about
	FaultSigner                     // not signed by the peer that it is about, or not by the expected list key
	FaultSkew                       // issued more than MaxSkew from now
	FaultAge                        // issued more than MaxAge ago
	FaultSequence                   // not newer than what is stored, or far ahead of the time
	FaultSignature                  // the signature is not of these bytes
	faults
)

// NumFaults is one more than the highest Fault.
const NumFaults = int(faults)

var faultNames = [faults]string{
	FaultSize:      "size",
	FaultEncoding:  "encoding",
	FaultPeer:      "peer",
	FaultNamespace: "namespace",
	FaultRanges:    "ranges",
	FaultKeys:      "keys",
	FaultAddrs:     "addrs",
	FaultTrackers:  "trackers",
	FaultKey:       "key",
	FaultSender:    "sender",
	FaultSigner:    "signer",
	FaultSkew:      "skew",
	FaultAge:       "age",
	FaultSequence:  "sequence",
	FaultSignature: "signature",
}

// String returns one lower-case word, which metrics use as a label.
func (f Fault) String() string {
	if f == 0 || f >= faults {
		return "unknown"
	}
	return faultNames[f]
}

// Error says why a record or a list is refused.
type Error struct {
	Fault Fault
	why   string
}

func (e *Error) Error() string { return fmt.Sprintf("record: %s: %s", e.Fault, e.why) }

func refuse(f Fault, format string, args ...any) error {
	return &Error{Fault: f, why: fmt.Sprintf(format, args...)}
}

// asFault returns err as an [*Error]; what is none yet is an error of the
// encoding.
func asFault(err error) error {
	if e := (*Error)(nil); err == nil || errors.As(err, &e) {
		return err
	}
	return refuse(FaultEncoding, "%v", err)
}
