package engine

import "fmt"

// Limits bound what the engine keeps and does for others. Zero fields mean the
// default that is given with each.
type Limits struct {
	// Tasks are wants of one peer that cost us work: look-ups, reads, answers.
	// A peer with this many has its streams read no further. Default 16,384.
	Tasks int
	// Subscriptions are wants of one peer for blocks that we do not have. The
	// oldest that was answered makes room for a new one. Default 16,384.
	Subscriptions int
	// Waiting are wants of one peer that were read but find no task free. What
	// is beyond is refused with DONT_HAVE. Default 65,536, the most that one
	// message holds: a single message is never refused.
	Waiting int
	// TableBytes is the memory for the wants of all peers, of which one peer
	// may take a quarter of what is free. Default 256 MiB.
	TableBytes int
	// PeerBytes are block bytes being read, read ahead or sent to one peer. One block may
	// always be in flight. Default 4 MiB.
	PeerBytes int
	// NodeBytes are block bytes being read, read ahead or sent to all peers together.
	// Default 64 MiB.
	NodeBytes int
	// MessageBytes is up to where blocks are gathered into one message; a
	// larger block travels alone. Default 128 KiB.
	MessageBytes int
	// InlineBytes is up to which size a block is sent in place of a HAVE, to a
	// peer with fewer than 8 wants. Default 1 KiB, as boxo.
	InlineBytes int
	// Copies is for how many blocks it is known how often they were sent.
	// Default 65,536.
	Copies int
}

const (
	blockLimit     = 2 << 20  // bytes of a block that is served; the specification wants no more to work
	presenceBytes  = 16 << 10 // of a presence message: about 380 presences, one small write
	messageBlocks  = 128      // in a message, so that 1 KiB blocks fill MessageBytes
	jobWants       = 64       // looked up in one job, of a fast store: enough to amortize two channel hops
	lane           = 2        // block messages handed ahead: one being written, one ready
	inlineWants    = 8        // a peer with as many wants is exploring, not asking for one small block
	asideKept      = 4096     // DONT_HAVEs to send for wants that were not taken
	wantBytes      = 256      // memory of a want beside its CID: struct, two map entries, rounding
	defaultWorkers = 32       // as many commands as a SATA disk queues
)

func (l Limits) withDefaults() Limits {
	for _, field := range []struct {
		value *int
		def   int
	}{
		{&l.Tasks, 16384},
		{&l.Subscriptions, 16384},
		{&l.Waiting, 65536},
		{&l.TableBytes, 256 << 20},
		{&l.PeerBytes, 4 << 20},
		{&l.NodeBytes, 64 << 20},
		{&l.MessageBytes, 128 << 10},
		{&l.InlineBytes, 1 << 10},
		{&l.Copies, 65536},
	} {
		if *field.value == 0 {
			*field.value = field.def
		}
	}
	return l
}

func (l Limits) validate() error {
	for _, field := range []struct {
		name  string
		value int
	}{
		{"Tasks", l.Tasks},
		{"Subscriptions", l.Subscriptions},
		{"Waiting", l.Waiting},
		{"TableBytes", l.TableBytes},
		{"PeerBytes", l.PeerBytes},
		{"NodeBytes", l.NodeBytes},
		{"MessageBytes", l.MessageBytes},
		{"InlineBytes", l.InlineBytes},
		{"Copies", l.Copies},
	} {
		if field.value < 0 {
			return fmt.Errorf("engine: Config.Limits.%s is negative: %d", field.name, field.value)
		}
	}
	return nil
}
