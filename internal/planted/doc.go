// Package planted makes the faults that the simulation has to find. They are in
// the product where such a fault would be, behind [Is], which is the constant
// false unless the build tag simulation is set: no other build contains them.
package planted

// Fault is one mistake that somebody could have made.
type Fault string

// The faults.
const (
	None Fault = ""

	LostCancel      Fault = "a CANCEL is lost"
	LeakedReference Fault = "a reference to a want is leaked"
	MissingTimer    Fault = "a timer is missing"
	DoubleDelivery  Fault = "a block is delivered twice"
	UnclosedChannel Fault = "an info channel is not closed"
	LostResend      Fault = "what failed to be sent is not sent again"
	EternalHave     Fault = "a HAVE is believed for ever"
	WantPutRace     Fault = "a block stored while its want is looked up is missed"
	BudgetLeak      Fault = "a budget is not returned"
	FinishedTwice   Fault = "a task is finished twice"
)

// Those of the resolver.
const (
	LostRetry    Fault = "a key whose peer has failed is not asked for again"
	FallBack     Fault = "a fetch whose targets are all blocked asks everybody"
	ForgetsBlock Fault = "a blocked peer is asked again after a change of the set"
	LeakedRoom   Fault = "the room for what timed out is not given back"
	Unverified   Fault = "a large value is taken without the Consumer's verdict"
)

// Resolver lists those, which another simulation has to find.
var Resolver = []Fault{LostRetry, FallBack, ForgetsBlock, LeakedRoom, Unverified}

// All lists the faults of the exchange.
var All = []Fault{
	LostCancel, LeakedReference, MissingTimer, DoubleDelivery, UnclosedChannel,
	LostResend, EternalHave, WantPutRace, BudgetLeak, FinishedTwice,
}

// The faults of downloads, which have a simulation of their own.
const (
	InvertedRetry   Fault = "what has retries left is given up"
	BusyIsUseless   Fault = "a download fails although a busy node could serve it"
	CancelRefuses   Fault = "a cancelled transfer counts as a refusal"
	GroupHintUnseen Fault = "a connected node does not hear of its new group"
	LaterIsNever    Fault = "any failure counts as a refusal"
	EternalEntries  Fault = "what nobody wants is never forgotten"
)

// Downloads lists the faults of downloads.
var Downloads = []Fault{InvertedRetry, BusyIsUseless, CancelRefuses, GroupHintUnseen, LaterIsNever, EternalEntries}

// The faults of syncing documents, which have one, too.
const (
	FetchedTwice    Fault = "what is under way when a round begins is fetched again"
	ForgottenEntry  Fault = "what was ended and is wanted again is forgotten"
	UnheardDeletion Fault = "a deletion while a document is gone through is not heard"
	OldNews         Fault = "a document that has come back is taken for removed"
	EarlyEnd        Fault = "a cancelled document has ended while something of it is under way"
)

// Mirror lists the faults of syncing documents.
var Mirror = []Fault{FetchedTwice, ForgottenEntry, UnheardDeletion, OldNews, EarlyEnd}
