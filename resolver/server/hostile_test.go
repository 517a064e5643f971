package server

import (
	"bytes"
	"fmt"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/souk-p2p/souk/internal/frames"
	"github.com/souk-p2p/souk/message"
	"github.com/souk-p2p/souk/resolver/wire"
)

func (c *asker) raw(b []byte) {
	_, _ = c.up.Write(b) // It may be refused before all of it is read.
}

func TestAFrameAgainstTheRulesResetsItsStreamAndNoOther(t *testing.T) {
	for name, tc := range map[string]struct {
		bytes []byte
		fault message.Fault // for which the network blames the peer; zero when the stream finds that by itself
	}{
		"a length above the limit":     {protowire.AppendVarint(nil, wire.MaxRequest+1), message.FaultFrameLength},
		"a length of 63 bits":          {protowire.AppendVarint(nil, math.MaxInt64), message.FaultFrameLength},
		"a length that is not minimal": {[]byte{0x81, 0}, message.FaultFrameLength},
		"half a frame":                 {[]byte{100, 1, 2, 3}, 0},
		"the number zero":              {frames.Append(nil, []byte{0x12, 3, 10, 1, 'v'}), message.FaultProtobuf},
		"not protobuf":                 {frames.Append(nil, []byte{0xff, 0xff}), message.FaultProtobuf},
	} {
		t.Run(name, func(t *testing.T) {
			serve(t, Config{}, func(t *testing.T, s *service) {
				hostile, honest := s.connect(1), s.connect(2)
				hostile.raw(tc.bytes)
				require.NoError(t, hostile.up.Close())
				err := hostile.ended()
				require.Error(t, err)
				var blame *message.FrameError
				if tc.fault != 0 {
					require.ErrorAs(t, err, &blame)
					require.Equal(t, tc.fault, blame.Fault)
				}
				honest.requireValue("v001", "value of v001")
				stat := s.stat()
				total := uint64(0)
				for _, n := range stat.Faults {
					total += n
				}
				require.EqualValues(t, 1, total)
				require.Equal(t, 1, stat.Streams)
			})
		})
	}
}

func TestANumberThatDoesNotGrowEndsTheStream(t *testing.T) {
	for name, second := range map[string]wire.ID{"the same": 7, "one before": 3} {
		t.Run(name, func(t *testing.T) {
			serve(t, Config{}, func(t *testing.T, s *service) {
				c := s.connect(1)
				c.send(&wire.Request{ID: 7, Key: "s001"})
				c.send(&wire.Request{ID: second, Key: "v001"})
				var blame *message.FrameError
				require.ErrorAs(t, c.ended(), &blame)
				require.EqualValues(t, 1, s.stat().Faults[wire.FaultID])
				require.EqualValues(t, 1, s.stat().Outcomes[OutcomeGone])
			})
		})
	}
}

func TestRequestsAgainstTheRulesAreMalformedAndTooManyEndTheStream(t *testing.T) {
	serve(t, Config{}, func(t *testing.T, s *service) {
		c := s.connect(1)
		for i, k := range []string{"v", "v0001", string(make([]byte, wire.MaxKey))} {
			c.requireFailure(k, wire.CodeMalformed)
			require.EqualValues(t, i+1, s.stat().Faults[wire.FaultKey])
		}
		for range mostFaults - 4 {
			c.last++
			c.raw(frames.Append(nil, append([]byte{8, byte(c.last)}, 0x12, 0)))
			requireCode(t, c.next(), wire.CodeMalformed)
		}
		c.ask("v")
		require.Error(t, c.ended())
		require.EqualValues(t, mostFaults, s.stat().Faults[wire.FaultKey])
	})
}

// Whoever floods is answered as often as it reads, holds what its limits say, and
// costs others nothing but its share.
func TestAFloodOfRequestsHoldsUpNobody(t *testing.T) {
	serve(t, Config{Limits: Limits{PeerWaiting: 8}}, func(t *testing.T, s *service) {
		flood := s.connect(1)
		go func() {
			for id := wire.ID(1); ; id++ {
				frame, err := wire.AppendFrame(nil, &wire.Request{ID: id, Key: "s001"})
				if err == nil {
					_, err = flood.up.Write(frame)
				}
				if err != nil {
					return
				}
			}
		}()
		go func() {
			for {
				if _, err := flood.in.Next(); err != nil {
					return
				}
			}
		}()
		began := time.Now()
		honest := s.connect(2)
		for n := range 50 {
			honest.requireValue(key("v", n), "value of "+key("v", n))
		}
		require.Less(t, time.Since(began), time.Second)
		stat := s.stat()
		require.LessOrEqual(t, stat.Waiting, 8)
		flood.vanish()
	})
}

// A peer that does not read its answers holds what its limits say, is not read, and is
// gone after as long as a write may take; others are served meanwhile.
func TestAPeerThatNeverReadsHoldsItsOwnBytesAlone(t *testing.T) {
	limits := Limits{PeerUnread: 3 * wire.PartSize, PeerWaiting: 8}
	serve(t, Config{Limits: limits}, func(t *testing.T, s *service) {
		silent := s.connect(1)
		asked := 0
		go func() {
			for id := wire.ID(1); ; id++ {
				frame, err := wire.AppendFrame(nil, &wire.Request{ID: id, Key: fmt.Sprintf("L%03d", id%8)})
				if err == nil {
					_, err = silent.up.Write(frame)
				}
				if err != nil {
					return
				}
				asked++
			}
		}()
		synctest.Wait()
		stat := s.stat()
		require.LessOrEqual(t, stat.Unread, limits.PeerUnread+16<<10, "and what is not data")
		require.GreaterOrEqual(t, stat.Unread, 2*wire.PartSize)
		require.Equal(t, 8, stat.Waiting)
		require.Less(t, asked, 100, "it is not read on")
		s.connect(2).requireValue("v001", "value of v001")
		require.Error(t, silent.ended())
		stat = s.stat()
		require.Zero(t, stat.Unread+stat.Waiting+stat.Producing)
	})
}

// As many peers that do not read as there may be leave room for each that does.
func TestPeersThatNeverReadLeaveRoomForOthers(t *testing.T) {
	limits := Limits{Unread: 4 * wire.PartSize}
	serve(t, Config{Limits: limits}, func(t *testing.T, s *service) {
		for n := range 20 {
			c := s.connect(100 + n)
			for i := range 4 {
				c.ask(fmt.Sprintf("L%03d", i))
			}
		}
		require.LessOrEqual(t, s.stat().Unread, 20*(wire.PartSize+200)+limits.Unread, "one answer each, when there is no room for more")
		honest := s.connect(1)
		require.True(t, bytes.Equal(append(bytes.Clone(large), "L007"...), honest.gather("L007")))
		for n := range 5 {
			honest.requireValue(key("v", n), "value of "+key("v", n))
		}
	})
}
