package debug

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/ledger"
)

func TestSizesHaveThreeDigits(t *testing.T) {
	for n, want := range map[float64]string{
		0: "0 B", 1: "1 B", 1023: "1023 B", 1024: "1.00 KiB", 10240: "10.0 KiB", 102400: "100 KiB",
		1023 * 1024: "1.00 MiB", 1 << 30: "1.00 GiB", 1.5 * (1 << 40): "1.50 TiB",
		math.MaxUint64: "16384 PiB",
	} {
		require.Equal(t, want, size(n, "B"))
	}
}

func TestCountsAreGrouped(t *testing.T) {
	for n, want := range map[uint64]string{0: "0", 999: "999", 1000: "1\u202f000", 1234567: "1\u202f234\u202f567"} {
		require.Equal(t, want, count(n))
	}
}

func TestTimes(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Hour: "now", 0: "now", 5 * time.Second: "5 s ago", 5 * time.Minute: "5 min ago",
		5 * time.Hour: "5 h ago", 72 * time.Hour: "3 d ago",
	} {
		require.Equal(t, want, ago(noon, noon.Add(-d)))
	}
	require.Equal(t, none, ago(noon, time.Time{}))
	for d, want := range map[time.Duration]string{
		0: none, 7 * time.Microsecond: "7 µs", 1500 * time.Microsecond: "1.5 ms",
		150 * time.Millisecond: "150 ms", 2500 * time.Millisecond: "2.5 s",
	} {
		require.Equal(t, want, span(d))
	}
}

func TestDebtRatioAndItsBar(t *testing.T) {
	for want, r := range map[string]ledger.Receipt{
		none:     {},
		"∞":      {Counters: ledger.Counters{BytesSent: 5}, Value: 5},
		"0.00":   {Counters: ledger.Counters{BytesReceived: 5}},
		"< 0.01": {Counters: ledger.Counters{BytesSent: 5, BytesReceived: 5000}, Value: 5.0 / 5001},
		"1.25":   {Counters: ledger.Counters{BytesSent: 5, BytesReceived: 3}, Value: 1.25},
		"1250":   {Counters: ledger.Counters{BytesSent: 5000, BytesReceived: 3}, Value: 1250},
	} {
		require.Equal(t, want, ratio(r))
	}
	require.Equal(t, 0, share(72, ledger.Receipt{}))
	require.Equal(t, 18, share(72, ledger.Receipt{Counters: ledger.Counters{BytesReceived: 1, BytesSent: 3}}))
	require.Equal(t, 72, share(72, ledger.Receipt{Counters: ledger.Counters{BytesReceived: 1}}))
}
