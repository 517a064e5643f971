package wire

import (
	"time"

	"github.com/souk-p2p/souk/providers/record"
)

// Protocol is the name of the protocol.
const Protocol = "/souk/tracker/1.0.0"

// Idle is how long a stream without subscriptions stays when nothing is said on
// it: longer than the pauses within a fetch, shorter than the shortest TTL, so
// that who only announces does not hold a stream.
const Idle = 30 * time.Second

// The limits of frames, in bytes of the body.
const (
	MaxRequest = 64 << 10  // from a client; the longest, full feedback on CIDs of usual length, has 25 KiB
	MaxReply   = 256 << 10 // from a tracker: 64 rows of 4 KiB; a usual row has 400 bytes
)

// The limits of elements.
const (
	MaxRows          = 64 // in a reply and in a notice, and K at most
	MaxTouches       = 64 // in a touch: the namespaces of an announcer
	MaxRefusals      = 64 // in a receipt: one for each row of a touch
	MaxJudgements    = 64 // in feedback: one for each row of a reply
	MaxSamples       = 8  // CIDs in a judgement
	MaxToken         = 64 // bytes of a feedback token: a MAC and what it is of
	MaxSubscriptions = 16 // on a stream; a tracker refuses more
)

// maxRetry is how far a refusal can put off: as long as a row lives at most.
const maxRetry = 2 * time.Hour

// maxRowAge is how old a row can be at most: what its signature bounds.
const maxRowAge = record.MaxAge
