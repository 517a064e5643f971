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

// All lists the faults.
var All = []Fault{
	LostCancel, LeakedReference, MissingTimer, DoubleDelivery, UnclosedChannel,
	LostResend, EternalHave, WantPutRace, BudgetLeak, FinishedTwice,
}
