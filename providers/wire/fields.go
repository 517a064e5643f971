package wire

import "google.golang.org/protobuf/encoding/protowire"

// fieldID is the number of a request in every message that has one.
const fieldID = protowire.Number(1)

// The fields of the messages.
const (
	fieldAnnounceRecord = protowire.Number(2)

	fieldTouchRows = protowire.Number(2)

	fieldTouchedNamespace = protowire.Number(1)
	fieldTouchedSequence  = protowire.Number(2)

	fieldAboutNamespace = protowire.Number(2) // in Query and in Subscribe
	fieldAboutPoint     = protowire.Number(3)
	fieldAboutKey       = protowire.Number(4)
	fieldAboutRoles     = protowire.Number(5)
	fieldQueryK         = protowire.Number(6)
	fieldQuerySeed      = protowire.Number(7)

	fieldFeedbackToken = protowire.Number(2)
	fieldFeedbackPeers = protowire.Number(3)

	fieldJudgementPeer    = protowire.Number(1)
	fieldJudgementOutcome = protowire.Number(2)
	fieldJudgementSamples = protowire.Number(3)

	fieldGetTrackersKnown = protowire.Number(2)

	fieldReplyRows    = protowire.Number(2)
	fieldReplyToken   = protowire.Number(3)
	fieldReplyRefusal = protowire.Number(4)

	fieldReceiptRefusals = protowire.Number(2)

	fieldNotifyRows = protowire.Number(2)
	fieldNotifyMore = protowire.Number(3)

	fieldTrackersSigned  = protowire.Number(2)
	fieldTrackersRefusal = protowire.Number(3)

	fieldRowRecord     = protowire.Number(1)
	fieldRowVerified   = protowire.Number(2)
	fieldRowUnverified = protowire.Number(3)
	fieldRowAge        = protowire.Number(4)
	fieldRowScore      = protowire.Number(5)

	fieldRefusalCode   = protowire.Number(1)
	fieldRefusalItem   = protowire.Number(2)
	fieldRefusalRetry  = protowire.Number(3)
	fieldRefusalStored = protowire.Number(4)
)
