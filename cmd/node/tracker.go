package main

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/spf13/pflag"

	"github.com/souk-p2p/souk"
	"github.com/souk-p2p/souk/cmd/node/internal/node"
	"github.com/souk-p2p/souk/cmd/node/internal/repo"
	"github.com/souk-p2p/souk/providers/record"
)

// trackerOptions say which trackers a node has, and whether it is one.
type trackerOptions struct {
	trackers []string
	listKey  string

	tracker bool
	http    string
	public  []string
	memory  uint // MiB
	list    string
}

// trackerMemory is the usual memory of a tracker in MiB: about a million rows.
const trackerMemory = 512

func (o *trackerOptions) flags(f *pflag.FlagSet) {
	o.clientFlags(f)
	f.BoolVar(&o.tracker, "tracker", false, "be a tracker for whoever names this node as one")
	f.StringVar(&o.http, "tracker-http", "", "as a tracker answer over HTTP, too, at this address, as 127.0.0.1:8181 (default: do not)")
	f.StringSliceVar(&o.public, "tracker-public", nil, "answer from these namespaces over HTTP where a question names none; with commas, or repeated")
	f.UintVar(&o.memory, "tracker-memory", trackerMemory, "as a tracker use at most this many MiB for what was announced")
	f.StringVar(&o.list, "tracker-list", "", "as a tracker hand out this list, which \"souk trackers sign\" made")
}

func (o *trackerOptions) clientFlags(f *pflag.FlagSet) {
	trackersFlag(f, &o.trackers, "announce to these trackers, and ask them")
	f.StringVar(&o.listKey, "tracker-list-key", "", "use those, too, in lists that this peer ID has signed and trackers hand out")
}

// configure takes the options into the configuration of a node.
func (o *trackerOptions) configure(f *pflag.FlagSet, cfg *node.Config) error {
	var trackers, key, tracker error
	cfg.Trackers, trackers = parsePeers("--trackers", o.trackers)
	if o.listKey != "" {
		if cfg.ListKey, key = peer.Decode(o.listKey); key != nil {
			key = usagef("--tracker-list-key %q is not a peer ID (\"souk id\" prints that of a repository): %w", o.listKey, key)
		}
	}
	if o.tracker {
		cfg.Tracker, tracker = o.config(cfg.ListKey)
	} else {
		tracker = onlyForTrackers(f)
	}
	return errors.Join(trackers, key, tracker)
}

// onlyForTrackers returns an error for each flag that was given and means nothing
// to a node that is no tracker.
func onlyForTrackers(f *pflag.FlagSet) error {
	var faults []error
	for _, flag := range []string{"tracker-http", "tracker-public", "tracker-memory", "tracker-list"} {
		if f.Changed(flag) {
			faults = append(faults, usagef("--%s is for trackers: give --tracker, too", flag))
		}
	}
	return errors.Join(faults...)
}

// config is what the tracker is to be like; where it keeps its table is added
// once the repository is open.
func (o *trackerOptions) config(listKey peer.ID) (*souk.TrackerConfig, error) {
	const most = 1 << 20 // a TiB
	if o.memory < 1 || o.memory > most {
		return nil, usagef("--tracker-memory %d is not a number of MiB from 1 to %d", o.memory, most)
	}
	cfg := &souk.TrackerConfig{Public: o.public}
	cfg.Limits.TableBytes = int(o.memory) << 20
	for _, ns := range o.public {
		if err := checkNamespace("--tracker-public", ns); err != nil {
			return nil, err
		}
	}
	if len(o.public) > 0 && o.http == "" {
		return nil, usagef("--tracker-public is about questions over HTTP: give --tracker-http, too")
	}
	if o.list == "" {
		return cfg, nil
	}
	signed, err := readTrackers(o.list)
	if err != nil {
		return nil, err
	}
	cfg.List = signed.Bytes()
	return cfg, checkSigner(o.list, signed, listKey)
}

// readTrackers reads a signed list of trackers. Nothing is said yet about who
// signed it.
func readTrackers(path string) (*record.SignedTrackers, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the list of trackers: %w", err)
	}
	signed, err := record.ParseTrackers(content)
	if err != nil {
		return nil, fmt.Errorf("%s is no list of trackers, as \"souk trackers sign\" makes it: %w", path, err)
	}
	return signed, nil
}

// remembering lets a node keep in its repository what is to outlive it.
func remembering(cfg node.Config, r *repo.Repo) node.Config {
	cfg.Memory = r
	cfg.Exchange = append(slices.Clone(cfg.Exchange), souk.WithLedgerStore(r.Ledgers()))
	if cfg.Tracker != nil {
		cfg.Tracker.Keep = r.Tracker()
	}
	if cfg.DHT != nil {
		cfg.DHT.Keep = r.DHT()
	}
	return cfg
}
