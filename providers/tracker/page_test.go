package tracker

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"
)

func readPage(t *testing.T) string {
	b, err := os.ReadFile("../../docs/tracker-protocol.md")
	require.NoError(t, err)
	return string(b)
}

// seeded is the identity of the Ed25519 key with a seed.
func seeded(t *testing.T, seed []byte) peer.ID {
	key, _, err := crypto.GenerateEd25519Key(bytes.NewReader(seed))
	require.NoError(t, err)
	id, err := peer.IDFromPrivateKey(key)
	require.NoError(t, err)
	return id
}

func exampleTracker(t *testing.T) peer.ID {
	seed := make([]byte, 32)
	for i := range seed {
		seed[i] = byte(i)
	}
	return seeded(t, seed)
}

var weights = regexp.MustCompile("Example: (weight|narrow weight)\\.[^\n]*\n\n```\n([0-9a-f]*)\n```")

// The weights are hashed here from nothing but what the page says of them.
func TestThePageSaysHowTrackersAreWeighed(t *testing.T) {
	id := exampleTracker(t)
	shown := map[string]string{}
	for _, m := range weights.FindAllStringSubmatch(readPage(t), -1) {
		shown[m[1]] = m[2]
	}
	head := "souk tracker rank 1\x00\x00\x06photos"
	for name, text := range map[string]string{"weight": head + "\x00\x00" + string(id), "narrow weight": head + "\x01\x12" + string(id)} {
		sum := sha256.Sum256([]byte(text))
		require.Equal(t, hex.EncodeToString(sum[:]), shown[name], name)
	}
	wide, narrow := Place{Namespace: "photos"}.weight(id), Place{Namespace: "photos", Narrow: true, Division: 0x12}.weight(id)
	require.Equal(t, shown["weight"], hex.EncodeToString(wide[:]))
	require.Equal(t, shown["narrow weight"], hex.EncodeToString(narrow[:]))
}

func TestThePageRanksTrackersAsTheyAreRanked(t *testing.T) {
	var ids []peer.ID
	for n := range 5 {
		ids = append(ids, seeded(t, bytes.Repeat([]byte{byte(n)}, 32)))
	}
	order := func(at Place) string {
		var numbers []string
		for _, id := range Rank(at, ids) {
			numbers = append(numbers, fmt.Sprintf("%02d", slices.Index(ids, id)))
		}
		return strings.Join(numbers, ", ")
	}
	page := strings.Join(strings.Fields(readPage(t)), " ")
	require.Contains(t, page, fmt.Sprintf("for `photos` %s, for its shard 12 %s.",
		order(Place{Namespace: "photos"}), order(Place{Namespace: "photos", Narrow: true, Division: 0x12})))
	require.Contains(t, page, fmt.Sprintf("the first %d trackers that it reaches", Replicas))
	require.Contains(t, page, fmt.Sprintf("| streams of a peer | %d |", Limits{}.withDefaults().PeerStreams))
	require.Contains(t, page, fmt.Sprintf("or has asked %d.", 2*Replicas))
}
