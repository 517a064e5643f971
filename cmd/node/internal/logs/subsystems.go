package logs

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/souk-p2p/souk/cmd/node/internal/config"
)

// subsystems are the names of all loggers and what they tell of.
var subsystems = map[string]string{
	"access":              "who is refused what, and why",
	"config":              "settings that are read again while the node runs",
	"control":             "commands that use the running node",
	"debug":               "the debug page",
	"dht":                 "what a DHT is told",
	"discovery":           "who may have what: answers of trackers and finders",
	"discovery.announcer": "what is announced to trackers",
	"discovery.client":    "trackers that are asked, and the streams to them",
	"download":            "what is fetched of documents",
	"exchange":            "the block exchange as a whole",
	"exchange.blocks":     "blocks that come, and the store that they go to",
	"exchange.engine":     "wants of peers, and what is sent to them",
	"exchange.peers":      "who is connected, and dials",
	"exchange.sessions":   "what is fetched",
	"exchange.wants":      "what is asked of which peer",
	libp2p:                "the network library; off unless it is named, and so are its parts, as libp2p.swarm2",
	"mirror":              "which documents are synced, and what is missing of them",
	"network":             "streams, and messages on them",
	"node":                "peers that are kept, announcements of a restart",
	"routing":             "the tracker's answers over HTTP",
	"tracker":             "what this node does as a tracker",
}

// Subsystem is one that can have a level of its own.
type Subsystem struct {
	Name  string `json:"name"`
	Level string `json:"level"`
	About string `json:"about"`
}

// Subsystems lists all that are known and those of libp2p that have a level of
// their own, ordered by name.
func (l Levels) Subsystems() []Subsystem {
	names := slices.Collect(maps.Keys(subsystems))
	for name := range l.own {
		if _, known := subsystems[name]; !known {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	all := make([]Subsystem, len(names))
	for i, name := range names {
		all[i] = Subsystem{Name: name, Level: levelName(l.Of(name)), About: subsystems[name]}
	}
	return all
}

// Names are those of the subsystems that are known, in order.
func Names() []string { return slices.Sorted(maps.Keys(subsystems)) }

// SubsystemError says that there is no subsystem of a name.
type SubsystemError struct{ Name, Nearest string }

func (e *SubsystemError) Error() string {
	if e.Nearest != "" {
		return fmt.Sprintf("%q is no subsystem: is it %q?", e.Name, e.Nearest)
	}
	return fmt.Sprintf("%q is no subsystem (%s are)", e.Name, strings.Join(Names(), ", "))
}

func checkSubsystem(name string) error {
	if _, known := subsystems[name]; known || strings.HasPrefix(name, libp2p+".") {
		return nil
	}
	return &SubsystemError{Name: name, Nearest: config.Nearest(name, Names())}
}
