package message

import "iter"

// Fault is a reason for which something that a peer sent is wrong. It is a
// small closed set: the ledger counts by it.
type Fault uint8

// The faults. Those above FaultBlockTooLarge are found by whoever knows what
// was asked.
const (
	FaultFrameLength   Fault = iota + 1 // the length varint overflows, is not minimal or is above the limit
	FaultFrameCut                       // the stream ended inside a frame
	FaultFrameSlow                      // a frame did not finish in time
	FaultProtobuf                       // not a well-formed protobuf message of the schema's types
	FaultTooMany                        // more elements in a message than the limit
	FaultCID                            // a CID that does not parse
	FaultCIDTooLong                     // a CID over the limit
	FaultIdentity                       // an identity CID on the wire
	FaultHash                           // a hash function that is unknown or proves nothing
	FaultPrefix                         // a block prefix that does not parse or contradicts itself
	FaultBlockTooLarge                  // a block over the limit
	FaultUnasked                        // a block or presence that was not asked for
	FaultWantsOverflow                  // a want beyond a hard limit
	FaultFlood                          // frames or streams faster or more than the limit
	FaultInvalid                        // bytes that claim to be a wanted block but are not
	FaultBroken                         // said HAVE and never sent
	FaultValue                          // bytes under a key that the application refused
	faults
)

// NumFaults is one more than the highest Fault.
const NumFaults = int(faults)

var faultNames = [faults]string{
	FaultFrameLength:   "frame-length",
	FaultFrameCut:      "frame-cut",
	FaultFrameSlow:     "frame-slow",
	FaultProtobuf:      "protobuf",
	FaultTooMany:       "too-many",
	FaultCID:           "cid",
	FaultCIDTooLong:    "cid-too-long",
	FaultIdentity:      "identity",
	FaultHash:          "hash",
	FaultPrefix:        "prefix",
	FaultBlockTooLarge: "block-too-large",
	FaultUnasked:       "unasked",
	FaultWantsOverflow: "wants-overflow",
	FaultFlood:         "flood",
	FaultInvalid:       "invalid",
	FaultBroken:        "broken",
	FaultValue:         "value",
}

// String returns a name of lower-case words joined by hyphens, which metrics
// use as a label.
func (f Fault) String() string {
	if f == 0 || f >= faults {
		return "unknown"
	}
	return faultNames[f]
}

// FaultCounts counts faults by reason. The zero value has none.
type FaultCounts [faults]uint32

// Total returns the number of faults of every kind.
func (n *FaultCounts) Total() int {
	total := 0
	for _, count := range n {
		total += int(count)
	}
	return total
}

// All returns the faults that occurred and how often, in the order of Fault.
func (n *FaultCounts) All() iter.Seq2[Fault, int] {
	return func(yield func(Fault, int) bool) {
		for f, count := range n {
			if count > 0 && !yield(Fault(f), int(count)) {
				return
			}
		}
	}
}
