package tracker

import (
	"time"
	"unsafe"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/providers/record"
)

// Table is what a tracker knows: who announced what. It has no goroutine, clock
// or I/O: the time comes in with each call, chance from a seed, and equal seeds
// and equal calls have equal results. It is not safe for concurrent use.
type Table struct {
	limits Limits
	key    secret
	drawn  uint64 // numbers drawn from the table's own generator

	rows       index[row]
	announcers index[announcer]
	spaces     index[space]
	groups     index[group]
	origins    index[origin]
	wheel      []handle // of rows by the second in which they expire
	ticked     uint32   // the second up to which the wheel was looked at
	classes    []handle // of origins by how many rows they have
	largest    int      // no origin is in a class above it

	peerMeters, prefixMeters meters
	replies                  []reply
	votes                    []vote
	sampled                  []handle // spaces with samples
	topics                   map[string]*topic
	changed                  []*topic // with something to tell
	watches                  map[WatchID]*watch
	watchers                 map[peer.ID]int // how many watches each has

	loose int // bytes of what is not in an index and not fixed
	fixed int // bytes of what is made once
	stat  TableStat

	scratch []aged
	drawing []drawn
	kindred []handle
}

// row is what one peer announced in one namespace, or that it withdrew it.
type row struct {
	blob            []byte // its ranges, then the record
	seq             uint64
	announcer       handle
	space           handle
	group           handle // the origin, when withdrawn
	place           uint32 // in the group
	sibling         handle // the next row of the announcer
	newer, older    handle // of the same origin
	earlier, later  handle // of those that expire in the same second
	born            uint32 // seconds of Unix time, as all times here
	expires, issued uint32
	scored          uint32
	score           points // as it was at scored
	ttl             uint16 // seconds; the announcer was heard so long before it expires
	capacity        uint8  // eights of KiB/s, the most for all above
	roles           Roles
	verified        record.AddrSet
	unverified      record.AddrSet
	ranges          uint8
	flags           uint8
}

const (
	flagComplete uint8 = 1 << iota
	flagKeys           // its ranges are of keys
	flagWithdrawn
)

func (r *row) withdrawn() bool { return r.flags&flagWithdrawn != 0 }

// heard is when the announcer was heard last.
func (r *row) heard() uint32 { return r.expires - min(r.expires, uint32(r.ttl)) }

// announcer is a peer that has rows.
type announcer struct {
	text  string // of its identity
	rows  handle
	live  uint8 // of its rows
	gone  uint8 // of its rows, withdrawn
	short bool  // the text is not all of the identity
}

// ref names a row across time: its handle may have been given to another since.
type ref uint64

func (t *Table) refTo(h handle) ref { return ref(h)<<32 | ref(t.rows.at(h).born) }

// NewTable returns an empty table.
func NewTable(limits Limits, seed uint64) (*Table, error) {
	limits = limits.withDefaults()
	if err := limits.validate(); err != nil {
		return nil, err
	}
	n := limits.TableBytes
	t := &Table{
		limits: limits, key: newSecret(seed), rows: newIndex[row](0),
		announcers: newIndex[announcer](n / 2048), spaces: newIndex[space](n / 2048),
		groups: newIndex[group](n / 2048), origins: newIndex[origin](n / 2048),
		wheel: make([]handle, wheelSlots), classes: make([]handle, mostClass+1),
		peerMeters: newMeters(n/8192, limits.PeerRate), prefixMeters: newMeters(n/32768, limits.PrefixRate),
		replies: make([]reply, powerOfTwo(n/32768)), votes: make([]vote, powerOfTwo(n/8192)),
		topics: make(map[string]*topic), watches: make(map[WatchID]*watch), watchers: make(map[peer.ID]int),
	}
	t.fixed = int(unsafe.Sizeof(*t)) + 4*(len(t.wheel)+len(t.classes)) + t.peerMeters.bytes() + t.prefixMeters.bytes() +
		len(t.replies)*int(unsafe.Sizeof(reply{})) + len(t.votes)*int(unsafe.Sizeof(vote{})) + mostScratch
	return t, nil
}

// used is the memory that the table takes.
func (t *Table) used() int {
	return t.fixed + t.loose + t.rows.bytes() + t.announcers.bytes() + t.spaces.bytes() + t.groups.bytes() +
		t.origins.bytes() + 4*cap(t.sampled) + 8*cap(t.changed)
}

// budget is up to where an announcement may fill the table: what one event takes
// beside its row, such as a page or a longer array, fits in what is above.
func (t *Table) budget() int { return t.limits.TableBytes - reserve - t.limits.TableBytes/128 }

// draw is the next number of the table's own generator.
func (t *Table) draw() uint64 {
	t.drawn++
	return mix(t.key[0] ^ mix(t.key[1]^t.drawn))
}

func second(at time.Time) uint32 { return uint32(min(max(at.Unix(), 0), 1<<32-1)) }

// rowOf returns the row of an announcer in a namespace.
func (t *Table) rowOf(who, sp handle) handle {
	if who == 0 || sp == 0 {
		return 0
	}
	for h := t.announcers.at(who).rows; h != 0; h = t.rows.at(h).sibling {
		if t.rows.at(h).space == sp {
			return h
		}
	}
	return 0
}

// abandon takes a row from its announcer, who is forgotten with the last.
func (t *Table) abandon(h handle) {
	r := t.rows.at(h)
	a := t.announcers.at(r.announcer)
	at := &a.rows
	for *at != h {
		at = &t.rows.at(*at).sibling
	}
	*at = r.sibling
	if a.rows == 0 {
		t.loose -= allocated(len(a.text))
		t.announcers.remove(t.key.text(a.text), r.announcer)
	}
}

// clone copies a string out of what may be a much larger message.
func clone(s string) string { return string([]byte(s)) }

// allocated is the memory of so many bytes, or a little more: the allocator's
// sizes are multiples of 16 up to 256 and less than a quarter apart above.
func allocated(n int) int {
	if n <= 256 {
		return (n + 15) &^ 15
	}
	return n + n/4
}
