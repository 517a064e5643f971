//go:build simulation

package resolving

import (
	"crypto/sha256"

	"github.com/souk-p2p/souk/resolver"
)

// Value is what a key stands for, in parts.
type Value struct {
	Data   []byte
	part   int
	sums   [][sha256.Size]byte
	hashes []byte
	list   [sha256.Size]byte
}

// NewValue divides data into parts.
func NewValue(data []byte, part int) *Value {
	v := &Value{Data: data, part: part}
	if len(data) <= part {
		return v
	}
	for at := 0; at < len(data); at += part {
		sum := sha256.Sum256(data[at:min(at+part, len(data))])
		v.sums = append(v.sums, sum)
		v.hashes = append(v.hashes, sum[:]...)
	}
	v.list = sha256.Sum256(v.hashes)
	return v
}

// answer is what an honest holder of the value says to a request.
func (v *Value) answer(a resolver.Ask) resolver.Answer {
	at := int(a.Part) * v.part
	switch {
	case a.Part == 0 && len(v.sums) == 0:
		return resolver.Answer{Data: v.Data}
	case a.Part == 0:
		return resolver.Answer{Data: v.Data[:v.part], Size: int64(len(v.Data)), Hashes: v.hashes, Sum: &v.sums[0]}
	case a.List != v.list || at >= len(v.Data):
		return resolver.Answer{Refusal: resolver.SaysChanged}
	}
	return resolver.Answer{Data: v.Data[at:min(at+v.part, len(v.Data))], Sum: &v.sums[a.Part]}
}
