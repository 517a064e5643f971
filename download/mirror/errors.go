package mirror

import (
	"errors"
	"fmt"

	"github.com/souk-p2p/souk/download/document"
	"github.com/souk-p2p/souk/internal/actor"
)

// ErrClosed is the error of a mirror that was closed.
var ErrClosed = errors.New("documents are not synced any more: the node is stopping")

// ErrNotSynced is the error of one who waits for a document that nobody syncs.
var ErrNotSynced = errors.New("the document is not synced any more")

// StuckError says that calls of Config.Fetch or Config.Look that were told to end have
// not returned. They were left behind.
type StuckError struct {
	Document document.ID
	Calls    int // that have not returned
}

func (e *StuckError) Error() string {
	if e.Calls == 1 {
		return fmt.Sprintf("document %s: a call that was told to end has not returned", e.Document)
	}
	return fmt.Sprintf("document %s: %d calls that were told to end have not returned", e.Document, e.Calls)
}

// ended says of what error somebody who asks an actor that has ended is told.
func ended(err error) error {
	if errors.Is(err, actor.ErrClosed) {
		return ErrClosed
	}
	return err
}
