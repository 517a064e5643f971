package client

import (
	"errors"
	"io"

	"github.com/souk-p2p/souk/internal/carrier"
	"github.com/souk-p2p/souk/providers/wire"
)

// What the streams to trackers report.
type (
	report = carrier.Report[streamID, spoken]
	opened = carrier.Opened[streamID, spoken]
	heard  = carrier.Heard[streamID, spoken]
	wrote  = carrier.Wrote[streamID, spoken]
	cut    = carrier.Ended[streamID, spoken]
)

// spoken is what a tracker has said: a message, or one that is wrong.
type spoken struct {
	message wire.Message
	wrong   *wire.MessageError
}

func (c *Client) newStreams() *carrier.Streams[streamID, spoken] {
	return carrier.New[streamID](carrier.Config[spoken]{
		Name: name, Panicked: c.cfg.Panicked, Crew: c.crew, OpenTime: openTime, Messages: messages,
	})
}

// messages reads what a tracker says.
func messages(conn io.Reader) func() (spoken, error) {
	r := wire.NewReader(conn, wire.Tracker)
	return func() (m spoken, err error) {
		m.message, err = r.Next()
		if err != nil && !errors.As(err, &m.wrong) {
			return spoken{}, reason(err)
		}
		return m, nil
	}
}

// reason tells a frame that breaks the rules, and the orderly end, from a stream
// that was cut.
func reason(err error) error {
	var frame *wire.FrameError
	if errors.As(err, &frame) && frame.Length() {
		return &FaultError{err}
	}
	if errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return ErrEnded
	}
	return err
}
