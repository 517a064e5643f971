package souk

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strings"
	"testing"

	"github.com/ipfs/go-cid"
	"github.com/ipfs/go-datastore"
	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/souk-p2p/souk/blockstore"
	"github.com/souk-p2p/souk/engine"
	"github.com/souk-p2p/souk/message"
)

// harmless are all options but the one that floods, by name.
var harmless = map[string]Option{
	"WithLogger":             WithLogger(zap.NewNop()),
	"WithRegisterer":         WithRegisterer(prometheus.NewRegistry()),
	"WithProviders":          WithProviders(),
	"WithRouting":            WithRouting(nil),
	"WithFinder":             WithFinder(nil),
	"WithTrackers":           WithTrackers(peer.AddrInfo{ID: "tracker"}),
	"WithTrackerList":        WithTrackerList("key"),
	"WithTracker":            WithTracker(),
	"WithNamespace":          WithNamespace("dataset"),
	"WithCandidates":         WithCandidates(32),
	"WithoutStoring":         WithoutStoring(),
	"WithServerDisabled":     WithServerDisabled(),
	"WithAccess":             WithAccess(func(peer.ID, cid.Cid) bool { return true }),
	"WithProtocolPrefix":     WithProtocolPrefix("/private"),
	"WithVersions":           WithVersions(message.V120),
	"WithLimitedConnections": WithLimitedConnections(),
	"WithReceiveBytes":       WithReceiveBytes(1<<20, 1<<24),
	"WithPeersPer":           WithPeersPer(1, 1),
	"WithFetchBytes":         WithFetchBytes(1<<20, 1<<24),
	"WithStoreBytes":         WithStoreBytes(1 << 20),
	"WithEngineLimits":       WithEngineLimits(engine.Limits{}),
}

// No default floods and no option but one, of all that there are.
func TestNothingButItsOptionFloods(t *testing.T) {
	o := defaults()
	require.False(t, o.flood)
	for _, name := range optionNames(t) {
		if name == "WithFlood" {
			continue
		}
		require.Contains(t, harmless, name, "say that it does not flood")
		harmless[name](&o)
		require.False(t, o.flood, name)
	}
	WithFlood()(&o)
	require.True(t, o.flood)
}

// optionNames lists the functions of options.go that make an Option.
func optionNames(t *testing.T) (names []string) {
	file, err := parser.ParseFile(token.NewFileSet(), "options.go", nil, 0)
	require.NoError(t, err)
	for _, d := range file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && strings.HasPrefix(f.Name.Name, "With") {
			names = append(names, f.Name.Name)
		}
	}
	require.NotEmpty(t, names)
	return names
}

// Who floods is told so once; nobody else is warned of anything.
func TestFloodingIsWarnedOf(t *testing.T) {
	for want, opts := range map[int][]Option{0: nil, 1: {WithFlood()}} {
		core, logged := observer.New(zapcore.WarnLevel)
		h, err := libp2p.New(libp2p.NoListenAddrs)
		require.NoError(t, err)
		x, err := New(t.Context(), h, blockstore.New(datastore.NewMapDatastore()), append(opts, WithLogger(zap.New(core)))...)
		require.NoError(t, err)
		require.NoError(t, x.Close())
		require.NoError(t, h.Close())
		require.Equal(t, want, logged.Len())
		require.Equal(t, want, logged.FilterMessageSnippet("flooding is on").Len())
	}
}
