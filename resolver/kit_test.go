package resolver

import (
	"context"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// nobody is a Consumer to whom every value is good.
type nobody struct{}

func (nobody) Deliver(context.Context, Key, []byte) bool { return true }
func (nobody) Failed(Key, error)                         {}
