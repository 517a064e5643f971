package session

import (
	"context"
	"errors"
	"testing"

	blocks "github.com/ipfs/go-block-format"
	"github.com/stretchr/testify/require"
)

func TestAFailureSaysWhatThePeersDid(t *testing.T) {
	refused := Answer{Peer: "a", Outcome: DontHave}
	down := Answer{Peer: "b", Outcome: Unreachable, Err: errors.New("connection refused")}
	denied := Answer{Peer: "c", Outcome: Denied, Err: ErrDenied}
	for _, c := range []struct {
		answers []Answer
		err     error
		says    string
	}{
		{[]Answer{refused}, nil, "the only peer named does not have it"},
		{[]Answer{down}, nil, "the only peer named cannot be reached"},
		{[]Answer{refused, refused}, nil, "none of the 2 peers named has it"},
		{[]Answer{down, down}, nil, "none of the 2 peers named can be reached"},
		{[]Answer{refused, down}, nil, "of the 2 peers named, 1 cannot be reached and the others do not have it"},
		{[]Answer{denied}, nil, "the only peer named is denied by our access rules"},
		{[]Answer{denied, denied}, nil, "all of the 2 peers named are denied by our access rules"},
		{[]Answer{denied, denied, refused}, nil, "of the 3 peers named, 2 are denied by our access rules and no other has it"},
		{[]Answer{refused}, context.DeadlineExceeded, context.DeadlineExceeded.Error()},
	} {
		e := &FetchError{CID: blocks.NewBlock([]byte("x")).Cid(), Answers: c.answers, Err: c.err}
		require.ErrorContains(t, e, c.says)
		require.ErrorContains(t, e, e.CID.String())
		require.ErrorContains(t, e, c.answers[0].Outcome.String())
		require.Equal(t, c.err == nil, e.NotFound())
		require.Equal(t, c.err != nil, e.Timeout())
	}
}

func TestAFailureOfTheStoreIsNotTakenForAnAbsence(t *testing.T) {
	disk := errors.New("disk on fire")
	for _, cause := range []error{nil, ErrNoProviders} {
		e := &FetchError{CID: blocks.NewBlock([]byte("x")).Cid(), Err: cause, Store: disk}
		require.False(t, e.NotFound())
		require.ErrorIs(t, e, disk)
		require.ErrorContains(t, e, "it may be stored here, but: disk on fire")
	}
}
