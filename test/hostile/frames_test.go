package hostile

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/souk-p2p/souk/message"
)

// sending returns the attack that writes bytes on a stream of their own.
func sending(frames ...[]byte) func(x *attacker) {
	return func(x *attacker) { x.sends(frames...) }
}

func faults(fs ...message.Fault) []message.Fault { return fs }

// The length of a frame is a minimal varint of at most nine bytes, and at most 4 MiB.
func TestFrameLengths(t *testing.T) {
	lengths := map[string][]byte{
		"ten bytes with continuation": times(10, 0xff),
		"not minimal":                 {0x81, 0x00},
		"zero that is not minimal":    {0x80, 0x00},
		"over 2^63":                   append(times(9, 0xff), 0x01),
		"4 MiB and one byte":          {0x81, 0x80, 0x80, 0x02},
		"2^31":                        {0x80, 0x80, 0x80, 0x80, 0x08},
		"2^63-1":                      append(times(8, 0xff), 0x7f),
	}
	var cases []badInput
	for name, b := range lengths {
		cases = append(cases, badInput{name: name, attack: sending(b), faults: faults(message.FaultFrameLength)})
	}
	runAll(t, cases)
}

// A frame that has begun is finished by its sender, in time, or it is a fault. What
// its length announces is not held before it has come.
func TestFramesThatAreNotFinished(t *testing.T) {
	const size = 64 << 10
	begun := frame(field(msgPayload, field(blockData, make([]byte, size))))[:1000]
	large := frame(field(msgPayload, field(blockData, make([]byte, 2<<20))))[:1000]
	runAll(t, []badInput{
		{name: "end of the stream", attack: sending(begun), faults: faults(message.FaultFrameCut)},
		{name: "reset", attack: func(x *attacker) { x.breaksOff(begun) }, faults: faults(message.FaultFrameCut)},
		{
			name:   "silence",
			attack: func(x *attacker) { x.parallel(8, func() network.Stream { return x.writes(begun) }) },
			then: func(x *attacker) {
				time.Sleep(time.Second)
				x.parallel(8, func() network.Stream { return x.writes(large) })
				time.Sleep(time.Second)
				require.LessOrEqual(x.t, x.metric("souk_held_bytes receiving"), 16*64.0*(1<<10))
			},
			faults: faults(message.FaultFrameSlow), within: 30*time.Second + size/(8<<10)*time.Second + time.Second,
		},
		{
			name: "a byte every ten seconds",
			attack: func(x *attacker) {
				x.parallel(8, func() network.Stream { return x.drips(frame(wants(absents(4)...))) })
			},
			faults: faults(message.FaultFrameSlow), within: time.Minute,
		},
	})
}

// breaksOff writes and resets the stream once that has arrived.
func (x *attacker) breaksOff(b []byte) {
	if s := x.writes(b); s != nil {
		time.Sleep(link.RoundTrip)
		_ = s.Reset()
	}
}

// parallel opens streams, which stay open as long as the node lets them.
func (x *attacker) parallel(n int, open func() network.Stream) {
	for range n {
		open()
	}
}

// drips writes a byte every ten seconds until the stream ends.
func (x *attacker) drips(b []byte) network.Stream {
	s := x.writes(b[:1])
	if s == nil {
		return nil
	}
	go func() {
		for _, next := range b[1:] {
			select {
			case <-x.left:
				return
			case <-time.After(10 * time.Second):
			}
			if _, err := s.Write([]byte{next}); err != nil {
				return
			}
		}
	}()
	return s
}

// Peers of old versions send a few frames that say nothing. Nobody sends thousands.
func TestFramesThatSayNothing(t *testing.T) {
	runAll(t, []badInput{
		{name: "a few", attack: sending(times(20, 0))},
		{name: "5,000 at once", attack: sending(times(5000, 0)), faults: faults(message.FaultFlood)},
		{name: "no wantlist", attack: sending(frame(number(msgPending, 0)))},
		{name: "an empty wantlist", attack: sending(frame(wantlist()))},
		{name: "pending bytes only", attack: sending(frame(number(msgPending, 1<<20)))},
		{name: "negative pending bytes", attack: sending(frame(signed(msgPending, -1)))},
		{name: "most pending bytes", attack: sending(frame(signed(msgPending, 1<<31-1)))},
	})
}

// A message that is no protobuf of the schema is rejected as a whole. Fields that
// the schema does not have are skipped.
func TestMalformedMessages(t *testing.T) {
	const unknown protowire.Number = 99
	noise := make([]byte, 4096)
	for i, source := 0, rand.New(rand.NewPCG(1, 1)); i < len(noise); i++ {
		noise[i] = byte(source.Uint32())
	}
	groups := bytes.Repeat(protowire.AppendTag(nil, unknown, protowire.StartGroupType), 10_000)
	malformed := faults(message.FaultProtobuf)
	runAll(t, []badInput{
		{name: "truncated field", attack: sending(frame([]byte{0x0a, 0x7f, 0x0a})), faults: malformed},
		{name: "field beyond its parent", attack: sending(frame(wantlist([]byte{0x0a, 0x7f, 0x00}))), faults: malformed},
		{name: "wrong wire type", attack: sending(frame(number(msgWantlist, 1))), faults: malformed},
		{name: "field number 0", attack: sending(frame([]byte{0x02, 0x00})), faults: malformed},
		{name: "varint of eleven bytes", attack: sending(frame(append([]byte{0x28}, append(times(10, 0x80), 0)...))), faults: malformed},
		{name: "10,000 nested groups", attack: sending(frame(groups)), faults: malformed},
		{name: "random bytes", attack: sending(frame(noise)), faults: malformed},
		{
			name:   "4 MiB of unknown fields",
			attack: sending(frame(field(unknown, times(4<<20-16, 1)))),
			then:   func(x *attacker) { require.True(x.t, x.served()) },
		},
		{
			name:   "half a million unknown fields",
			attack: sending(frame(bytes.Repeat(number(unknown, 7), 500_000))),
			then:   func(x *attacker) { require.True(x.t, x.served()) },
		},
	})
}

// A message has at most 65,536 entries, presences and blocks.
func TestTwoMillionElements(t *testing.T) {
	const most = (4<<20 - 16) / 2
	distinct := each(most*2/5, func(i int) []byte { return append([]byte{0x12, 3}, counter(i)...) })
	tooMany := faults(message.FaultTooMany)
	runAll(t, []badInput{
		{
			name: "entries", attack: sending(frame(wantlist(times(most-8, 0x0a, 0)))),
			faults: tooMany, also: faults(message.FaultCID),
		},
		{name: "presences", attack: sending(frame(times(most, 0x22, 0))), faults: tooMany, also: faults(message.FaultCID)},
		{name: "payloads", attack: sending(frame(times(most, 0x1a, 0))), faults: tooMany, also: faults(message.FaultPrefix)},
		// Blocks are handed on as they come, so that the peer is refused in the middle.
		{name: "old blocks", attack: sending(frame(times(most, 0x12, 0))), faults: faults(message.FaultUnasked), also: tooMany},
		{name: "distinct old blocks", attack: sending(frame(distinct)), faults: faults(message.FaultUnasked), also: tooMany},
	})
}
