// Package rate bounds how many bytes pass in a second: of each peer, of the peers
// of a class together, and in total. It is plain state that is told the time, for
// the actors that send and ask.
package rate

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Rate is a number of bytes a second. Zero says nothing: there is no limit, or in
// a [Class] that of [Limits] holds.
type Rate int64

// Unlimited lifts the limit of each peer from a class. Elsewhere it is the same
// as zero.
const Unlimited Rate = -1

// Bytes a second. As in the names of links, k, M and G are powers of 1,000.
const (
	KB Rate = 1000
	MB      = 1000 * KB
	GB      = 1000 * MB
)

// units are what a rate may be written in: bits in small letters, bytes with a B.
// The first that divides a rate is what it is printed in.
var units = []struct {
	name string
	bits float64
}{
	{"GB", 8e9}, {"MB", 8e6}, {"kB", 8e3},
	{"GiB", 8 << 30}, {"MiB", 8 << 20}, {"KiB", 8 << 10},
	{"Gbit", 1e9}, {"Mbit", 1e6}, {"kbit", 1e3},
	{"B", 8}, {"bit", 1},
}

// highest is above what any machine sends, and far from where sums overflow.
const highest = 1e15

// Parse reads a rate: a number and a unit, as in 10MB/s, 80Mbit/s, 512KiB/s. 0 and
// off are no limit.
func Parse(text string) (Rate, error) {
	word := strings.TrimSuffix(strings.TrimSpace(text), "/s")
	if word == "0" || strings.EqualFold(word, "off") {
		return Unlimited, nil
	}
	digits := strings.TrimRight(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
	n, err := strconv.ParseFloat(strings.TrimSpace(digits), 64)
	bits := bitsOf(word[len(digits):])
	bytes := n * bits / 8
	if err != nil || bits == 0 || !(bytes >= 1 && bytes <= highest) {
		return 0, fmt.Errorf("%q is not a rate: write bytes or bits a second, as 10MB/s, 512KiB/s or 80Mbit/s, or off for no limit", text)
	}
	return Rate(math.Round(bytes)), nil
}

// bitsOf is how many bits a unit has, or 0 when there is none of that name. B is
// bytes and b is bits, and neither is ever taken for the other.
func bitsOf(unit string) float64 {
	for _, u := range units {
		if unit == u.name || u.name == "kB" && unit == "KB" || strings.HasSuffix(u.name, "bit") && strings.EqualFold(unit, u.name) {
			return u.bits
		}
	}
	return 0
}

// String writes the rate as [Parse] reads it.
func (r Rate) String() string {
	if r <= 0 {
		return "off"
	}
	for _, u := range units {
		if bytes := int64(u.bits / 8); bytes > 0 && int64(r)%bytes == 0 {
			return strconv.FormatInt(int64(r)/bytes, 10) + u.name + "/s"
		}
	}
	return strconv.FormatInt(int64(r), 10) + "B/s"
}

// Set is [Parse] for flags.
func (r *Rate) Set(text string) (err error) {
	*r, err = Parse(text)
	return err
}

// Type is what flags call it.
func (*Rate) Type() string { return "rate" }
