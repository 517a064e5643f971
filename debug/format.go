package debug

import (
	"fmt"
	"html/template"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk"
	"github.com/souk-p2p/souk/ledger"
)

// formats are what the templates call to write a value for a person.
var formats = template.FuncMap{
	"bytes":     func(n uint64) string { return size(float64(n), "B") },
	"rate":      rate,
	"count":     count,
	"number":    func(n int) string { return count(uint64(max(n, 0))) },
	"memory":    func(n int) string { return size(float64(max(n, 0)), "B") },
	"size":      func(n int64) string { return size(float64(max(n, 0)), "B") },
	"persecond": perSecond,
	"plain":     plain,
	"blocks":    blocks,
	"short":     short,
	"ago":       ago,
	"span":      span,
	"ratio":     ratio,
	"score":     func(s float64) string { return strconv.FormatFloat(s, 'f', 2, 64) },
	"share":     share,
	"faults":    func(r ledger.Receipt) uint64 { return faults(&r) },
	"list":      list,
	"percent":   percent,
	"plural":    plural,
	"clamp":     func(share float64) int { return int(100 * min(max(share, 0), 1)) },
	"last":      func(first, rows int) int { return first + rows - 1 },
	"limit":     limit,
	"speed":     func(r float64) string { return size(max(r, 0), "B/s") },
	"since":     func(now, t time.Time) string { return uptime(now.Sub(t)) },
	"uptime":    uptime,
	"talkers":   talkers,
	"wantlist":  func(wants []souk.WantStat, peers bool) wantList { return wantList{wants, peers} },
	"words":     func(words ...string) []string { return words },
	"late":      late,
	"doing":     doing,
	"minute":    func(t time.Time) string { return t.UTC().Format("15:04 UTC") },
	"clock":     func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") },
	"part":      func(n, of uint64) float64 { return float64(n) / float64(max(of, 1)) },
}

const none = "–"

// limit is a [rate.Rate] as it is written in rules.
func limit(r fmt.Stringer) string {
	if text := r.String(); text != "off" {
		return text
	}
	return none
}

// plain is a name that somebody else chose, without what would not be seen or
// would turn the writing around: such characters are written as in Go.
func plain(name string) string {
	if utf8.ValidString(name) && strings.IndexFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) < 0 {
		return name
	}
	return strconv.Quote(name)
}

// size writes n with a binary prefix and three digits.
func size(n float64, unit string) string {
	if n < 1024 {
		return fmt.Sprintf("%.0f %s", n, unit)
	}
	for _, prefix := range "KMGTP" {
		n /= 1024
		if n < 999.5 || prefix == 'P' {
			return fmt.Sprintf("%.*f %ci%s", max(0, 2-digits(n)), n, prefix, unit)
		}
	}
	panic("unreachable: the last prefix returns")
}

// digits is how many digits beyond the first stand before the point.
func digits(n float64) int {
	return len(strconv.Itoa(int(n))) - 1
}

func rate(bytesPerSecond float64) string {
	if bytesPerSecond == 0 {
		return none
	}
	return size(bytesPerSecond, "B/s")
}

// perSecond writes how often something happens.
func perSecond(rate float64) string {
	decimals := 2
	if rate >= 10 {
		decimals = 0
	}
	return strconv.FormatFloat(rate, 'f', decimals, 64) + " a second"
}

// count writes n with a thin space between groups of three digits.
func count(n uint64) string {
	text := strconv.FormatUint(n, 10)
	var out strings.Builder
	for i, digit := range text {
		if i > 0 && (len(text)-i)%3 == 0 {
			out.WriteRune('\u202f')
		}
		out.WriteRune(digit)
	}
	return out.String()
}

func blocks(n uint64) string {
	if n == 1 {
		return "1 block"
	}
	return count(n) + " blocks"
}

// short writes a peer ID so that it fits a table and is still told apart.
func short(p peer.ID) string {
	text := p.String()
	if len(text) <= 16 {
		return text
	}
	return text[:6] + "…" + text[len(text)-8:]
}

// ago writes how long before now t was.
func ago(now, t time.Time) string {
	d := now.Sub(t)
	switch {
	case t.IsZero():
		return none
	case d < time.Second:
		return "now"
	}
	return uptime(d) + " ago"
}

// span writes a latency.
func span(d time.Duration) string {
	switch {
	case d <= 0:
		return none
	case d < time.Millisecond:
		return fmt.Sprintf("%d µs", d.Microseconds())
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.1f ms", d.Seconds()*1e3)
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}

// ratio writes a debt ratio. Who gave us nothing owes by millions: the ratio
// counts bytes then and is written as "∞".
func ratio(r ledger.Receipt) string {
	switch {
	case r.BytesSent == 0 && r.BytesReceived == 0:
		return none
	case r.BytesReceived == 0:
		return "∞"
	case r.BytesSent > 0 && r.Value < 0.01:
		return "< 0.01"
	case r.Value >= 100:
		return strconv.FormatFloat(r.Value, 'f', 0, 64)
	}
	return strconv.FormatFloat(r.Value, 'f', 2, 64)
}

// share is which part of width stands for what was received.
func share(width int, r ledger.Receipt) int {
	bytes := r.Bytes()
	if bytes == 0 {
		return 0
	}
	return int(float64(width)*float64(r.BytesReceived)/float64(bytes) + 0.5)
}

// list writes faults by reason, in the order of their names.
func list(faults map[string]uint64) string {
	var out []string
	for _, fault := range slices.Sorted(maps.Keys(faults)) {
		out = append(out, fmt.Sprintf("%s: %d", fault, faults[fault]))
	}
	return strings.Join(out, ", ")
}

func percent(share float64) string { return strconv.FormatFloat(100*share, 'f', 0, 64) + " %" }

// plural writes how many there are of something.
func plural(n int, of string) string {
	if n == 1 {
		return "1 " + of
	}
	return count(uint64(max(n, 0))) + " " + of + "s"
}

func times(n uint64) string {
	if n == 1 {
		return "once"
	}
	return count(n) + " times"
}

// uptime writes a long time.
func uptime(d time.Duration) string {
	switch {
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
	return fmt.Sprintf("%d d", int(d.Hours()/24))
}

// talker is a line of who moves most.
type talker struct {
	Peer  peer.ID
	Agent string
	Speed float64
}

func talkers(rows []ledger.Receipt, down bool) []talker {
	out := make([]talker, len(rows))
	for i := range rows {
		r := &rows[i]
		out[i] = talker{r.Peer, r.Agent, r.Rates.Sent10s}
		if down {
			out[i].Speed = r.Rates.Received10s
		}
	}
	return out
}

// wantList is a list of wants, with a column for their peers or without.
type wantList struct {
	Wants []souk.WantStat
	Peers bool
}

// doing says in words what a session waits for.
func doing(what string) string {
	switch what {
	case "store":
		return "asks our store"
	case "searching":
		return "asks the directory"
	case "dialling":
		return "dials peers"
	case "answers":
		return "waits for answers"
	case "transferring":
		return "receives blocks"
	case "caller":
		return "waits for its caller"
	case "nobody":
		return "has nobody to ask"
	}
	return what
}
