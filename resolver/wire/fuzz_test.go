package wire

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Whatever comes, a message that is read is within the rules, can be written, and
// says the same after that.
func FuzzDecode(f *testing.F) {
	for _, v := range vectors {
		f.Add(unhex(f, v.frame)[1:])
	}
	two := body(nil).bytes(fieldResponseData, []byte("first")).uint(fieldResponseSize, PartSize+1)
	f.Add([]byte(response(two.bytes(fieldResponseHashes, make([]byte, 2*HashSize)))))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := decode(b)
		if err != nil {
			require.Nil(t, m)
			require.ErrorAs(t, err, new(*MessageError))
			return
		}
		frame, err := AppendFrame(nil, m)
		require.NoError(t, err)
		requireRead(t, frame, m)
	})
}
