package house

import (
	"bytes"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// allowed is what floors 0 to 4 may import besides the standard library, by
// prefix of the import path, with the reason.
var allowed = map[string]string{
	"github.com/libp2p/go-libp2p":                    "the network that Souk runs on",
	"github.com/multiformats/go-multistream":         "choosing the protocol of a stream without waiting; go-libp2p's own",
	"github.com/ipfs/go-cid":                         "names of blocks",
	"github.com/ipfs/go-block-format":                "blocks",
	"github.com/multiformats/go-multiaddr":           "addresses of peers; go-libp2p's own",
	"github.com/multiformats/go-multihash":           "digests inside of names",
	"github.com/ipfs/go-datastore":                   "where blocks are stored",
	"go.uber.org/zap":                                "logs, into the logger that the caller gives",
	"google.golang.org/protobuf/encoding/protowire":  "the wire format, without generated code",
	"github.com/prometheus/client_golang/prometheus": "metrics, into the registerer that the caller gives",
}

// foreign is what must not even come in behind what is allowed, by prefix of
// the import path, with where it belongs.
var foreign = map[string]string{
	"github.com/ipfs/boxo":                "adapter/",
	"github.com/ipfs/go-unixfsnode":       "adapter/unixfs",
	"github.com/ipfs/go-ipld-format":      "adapter/",
	"github.com/ipld":                     "adapter/ (IPLD and CAR)",
	"github.com/libp2p/go-libp2p-kad-dht": "an adapter: Souk takes a routing.ContentDiscovery",
	"github.com/libp2p/go-libp2p-pubsub":  "an adapter",
	"github.com/ipfs/go-ds-flatfs":        "cmd/node: Souk takes a datastore.Batching",
	"github.com/ipfs/go-ds-pebble":        "adapter/pebbledb: Souk takes a datastore.Batching",
	"github.com/cockroachdb":              "adapter/pebbledb",
	"github.com/spf13":                    "cmd/node (command line)",
	"github.com/schollz/progressbar":      "cmd/node (progress)",
	"github.com/stretchr/testify":         "tests",
	"github.com/marcopolo/simnet":         "tests",
	"pgregory.net/rapid":                  "tests",
	"google.golang.org/grpc":              "nowhere",
	"go.opentelemetry.io":                 "adapter/otel: Souk takes a hook",
}

// inherited are foreign packages that come in with an allowed one, with which.
var inherited = map[string]string{
	"github.com/ipfs/boxo/util": "go-block-format hashes with it; it imports nothing of boxo",
}

var importRule = rule{
	name:  "imports",
	why:   "Someone who embeds the session API takes every import of floors 0 to 4 into the own program, its size and its advisories. The rest enters in adapters and in cmd/node.",
	check: checkImports,
	examples: []example{{files: `
-- session/a.go --
package session

import (
	_ "time"
	_ "github.com/ipfs/go-cid"
	_ "github.com/ipfs/go-cidutil" // FAULT: only begins like an allowed one
	_ "github.com/libp2p/go-libp2p/core/peer"
	_ "github.com/libp2p/go-libp2p-kad-dht" // FAULT
	_ "google.golang.org/protobuf/proto" // FAULT: generated code
)
-- session/a_test.go --
package session

import _ "github.com/stretchr/testify/require"
-- souk.go --
package souk

import _ "github.com/ipfs/boxo/exchange" // FAULT
-- adapter/boxo/a.go --
package boxo

import _ "github.com/ipfs/boxo/exchange"
`}},
}

func checkImports(m *module) []fault {
	var found []fault
	for _, f := range m.product() {
		if at, ok := entry(floors, f.dir()); !ok || floors[at] > embedded {
			continue
		}
		for _, im := range f.imports() {
			_, ours := own(im.path)
			if _, ok := entry(allowed, im.path); ours || ok || isStandard(im.path) {
				continue
			}
			found = append(found, m.fault(im.pos, fmt.Sprintf("floors 0 to %d may not import %s: take an interface and put the import into an adapter or cmd/node", embedded, im.path)))
		}
	}
	return found
}

// TestNothingForeignComesWithTheRootPackage asks the go command, which is what
// resolves versions and build constraints, for everything behind the root
// package.
func TestNothingForeignComesWithTheRootPackage(t *testing.T) {
	list := exec.Command("go", "list", "-deps", "-f", `{{.ImportPath}}{{range .Imports}} {{.}}{{end}}`, modulePath)
	var complaint bytes.Buffer
	list.Stderr = &complaint
	out, err := list.Output()
	require.NoError(t, err, complaint.String())
	graph := parseGraph(string(out))
	require.Contains(t, graph, modulePath+"/session", "the root package assembles the sessions")
	for dependency, belongs := range foreignIn(graph) {
		t.Errorf("%s comes in by way of %s; it belongs in %s", dependency, strings.Join(way(graph, modulePath, dependency), " > "), belongs)
	}
}

func TestAForeignPackageIsFoundWithTheWayItCameIn(t *testing.T) {
	graph := parseGraph(modulePath + " fmt " + modulePath + "/session\n" +
		modulePath + "/session example.org/a\n" +
		"example.org/a github.com/ipfs/boxo/path github.com/ipfs/boxo/util\n" +
		"github.com/ipfs/boxo/path\ngithub.com/ipfs/boxo/util\nfmt\n")
	require.Equal(t, map[string]string{"github.com/ipfs/boxo/path": "adapter/"}, foreignIn(graph))
	require.Equal(t, []string{modulePath, modulePath + "/session", "example.org/a", "github.com/ipfs/boxo/path"},
		way(graph, modulePath, "github.com/ipfs/boxo/path"))
}

// parseGraph reads lines of a package and what it imports.
func parseGraph(lines string) map[string][]string {
	graph := map[string][]string{}
	for line := range strings.Lines(lines) {
		if words := strings.Fields(line); len(words) > 0 {
			graph[words[0]] = words[1:]
		}
	}
	return graph
}

// foreignIn gives the packages of a graph that do not belong in it, with where
// they do.
func foreignIn(graph map[string][]string) map[string]string {
	found := map[string]string{}
	for dependency := range graph {
		if _, ok := inherited[dependency]; ok {
			continue
		}
		if prefix, ok := entry(foreign, dependency); ok {
			found[dependency] = foreign[prefix]
		}
	}
	return found
}

// way is a shortest chain of imports, of which there is one.
func way(graph map[string][]string, from, to string) []string {
	came := map[string]string{from: ""}
	for next := []string{from}; len(next) > 0; next = next[1:] {
		for _, imports := range graph[next[0]] {
			if _, seen := came[imports]; !seen {
				came[imports] = next[0]
				next = append(next, imports)
			}
		}
	}
	var chain []string
	for at := to; at != ""; at = came[at] {
		chain = append(chain, at)
	}
	slices.Reverse(chain)
	return chain
}
