package wire

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/providers/record"
)

func BenchmarkDecodeQuery(b *testing.B) {
	body := about().uint(fieldAboutPoint, 7).uint(fieldQueryK, 8).as(KindQuery)
	b.ReportAllocs()
	var err error
	for b.Loop() {
		_, err = Decode(body, Client)
	}
	require.NoError(b, err)
}

func BenchmarkAppendReply(b *testing.B) {
	m := &Reply{ID: 1, Rows: longRows(8)}
	for i := range m.Rows {
		m.Rows[i].Record = m.Rows[i].Record[:record.MaxSigned/20]
	}
	var frame []byte
	var err error
	b.ReportAllocs()
	for b.Loop() {
		frame, err = AppendFrame(frame[:0], m)
	}
	require.NoError(b, err)
}
