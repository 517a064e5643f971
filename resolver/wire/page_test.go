package wire

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/test/pages"
)

// examples are what the page shows, by the names under which it does.
func examples(t *testing.T) map[string][]byte {
	value := bytes.Repeat([]byte("x"), PartSize+1)
	parts := Split(value)
	list := parts.List()
	first, err := AppendFrame(nil, &Response{ID: 2, Data: value[:PartSize], Parts: parts})
	require.NoError(t, err)
	shown := map[string][]byte{"list": list[:], "end of the first part": first[bytes.LastIndexByte(first[:PartSize+64], 'x')+1:]}
	for name, m := range map[string]Message{
		"request":           &Request{ID: 1, Key: "key"},
		"response":          &Response{ID: 1, Data: []byte("value")},
		"failure":           &Failure{ID: 1, Code: CodeNone},
		"request of a part": &Request{ID: 3, Key: "key", Part: 1, List: list},
		"the other part":    &Response{ID: 3, Data: value[PartSize:]},
	} {
		frame, err := AppendFrame(nil, m)
		require.NoError(t, err)
		shown[name] = frame
	}
	return shown
}

func TestThePageShowsWhatIsWritten(t *testing.T) {
	want, got := examples(t), pages.Blocks(t, pages.Read(t, "resolver-protocol.md"))
	for name, b := range want {
		require.Equal(t, hex.EncodeToString(b), hex.EncodeToString(got[name]), "example %s", name)
	}
	require.Len(t, got, len(want))
}

func TestThePageHasTheNumbers(t *testing.T) {
	text := pages.Read(t, "resolver-protocol.md")
	pages.RequireRows(t, text, map[string]any{
		"bytes of a frame from who asks": MaxRequest, "bytes of a frame from who answers": MaxAnswer,
		"bytes of a key": MaxKey, "bytes of a part": PartSize, "bytes of a value": MaxValue, "parts of a value": MaxParts,
		"bytes of a hash": HashSize, "bytes of a suffix": MaxSuffix, "idle stream in seconds": Idle.Seconds(),
	})
	for c := Code(1); int(c) < NumCodes; c++ {
		require.Contains(t, text, fmt.Sprintf("\n| %d | %s |", c, c))
	}
	require.Contains(t, text, Protocol)
}
