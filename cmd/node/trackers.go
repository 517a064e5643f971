package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/spf13/cobra"

	"github.com/souk-p2p/souk/cmd/node/internal/node"
	"github.com/souk-p2p/souk/cmd/node/internal/repo"
	"github.com/souk-p2p/souk/providers/record"
)

func newTrackers(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "trackers",
		Short: "List the running node's trackers, and sign lists of trackers",
		Long: `Lists the trackers of the running node, each with how fast it answers, or that it
is down, and its addresses.

A list of trackers is signed with a key and handed out by trackers. Nodes that
know the key's peer ID (--tracker-list-key) follow it: trackers can be added and
taken away for all of them at one place.`,
		Example: `  souk trackers
  souk --repo list-key id                     make a key and print its peer ID
  souk trackers sign --key list-key/identity.key -o trackers.list ADDRESS...
  souk trackers show trackers.list --signer 12D3Koo…
  souk run --tracker --tracker-list trackers.list
  souk run --trackers ADDRESS --tracker-list-key 12D3Koo…`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withNode(cmd.Context(), func(n node.Node) error { return listTrackers(cmd.Context(), a, n) })
		},
	}
	cmd.AddCommand(newTrackersSign(a), newTrackersShow(a))
	return cmd
}

func listTrackers(ctx context.Context, a *app, n node.Node) error {
	all, err := n.Trackers(ctx)
	if err != nil {
		return err
	}
	if a.json {
		return printEach(a.out, all)
	}
	for _, t := range all {
		if _, err := fmt.Fprintln(a.out, strings.Join(append([]string{t.ID.String(), standing(t, time.Now())}, t.Addresses...), " ")); err != nil {
			return err
		}
	}
	return nil
}

// standing is a word for how a tracker does.
func standing(t node.Tracker, now time.Time) string {
	switch {
	case now.Before(t.DownUntil):
		return "down"
	case t.Latency > 0:
		return t.Latency.Round(time.Microsecond).String()
	default:
		return "unasked"
	}
}

type signOptions struct {
	key      string
	sequence uint64
	output   string
}

// signedList is what is printed about a list.
type signedList struct {
	Signer   peer.ID   `json:"signer"`
	Sequence uint64    `json:"sequence"`
	Issued   time.Time `json:"issued"`
	Trackers []string  `json:"trackers"` // addresses, each with its ID
}

func newTrackersSign(a *app) *cobra.Command {
	var o signOptions
	cmd := &cobra.Command{
		Use:   "sign ADDRESS...",
		Short: "Sign a list of trackers",
		Long: fmt.Sprintf(`Writes a signed list of the trackers at the ADDRESSes, each as
/ip4/ADDRESS/tcp/PORT/p2p/ID, of which it may have %d with %d addresses each. The
key is a private key in libp2p's encoding, as identity.key in a repository. Of two
lists the one with the higher sequence counts.`, record.MaxTrackers, record.MaxTrackerAddrs),
		Example: `  souk trackers sign --key list-key/identity.key -o trackers.list \
    /ip4/192.0.2.1/tcp/4101/p2p/12D3Koo… /dns/tracker.example.org/tcp/4101/p2p/12D3Koo…`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return o.run(a, args, time.Now()) },
	}
	f := cmd.Flags()
	f.StringVar(&o.key, "key", "", "file with the private key (default: the repository's own)")
	f.Uint64Var(&o.sequence, "sequence", 0, "number of the list (default: above that in --output, and at least the time in milliseconds)")
	f.StringVarP(&o.output, "output", "o", "trackers.list", "where to write it; a list that is there is replaced")
	return cmd
}

func (o *signOptions) run(a *app, args []string, now time.Time) error {
	trackers, err := parsePeers("ADDRESS", args)
	if err != nil {
		return err
	}
	previous, err := o.previous()
	if err != nil {
		return err
	}
	key, err := o.signer(a)
	if err != nil {
		return err
	}
	list := record.Trackers{Sequence: o.sequence, Issued: now}
	if o.sequence == 0 {
		list.Sequence = record.NextSequence(previous, now)
	}
	if list.Sequence <= previous {
		return usagef("--sequence %d is not above %d, that of the list in %s, so nobody would take it", list.Sequence, previous, o.output)
	}
	for _, t := range trackers {
		list.List = append(list.List, record.Tracker{Peer: t.ID, Addrs: t.Addrs})
	}
	signed, err := record.SignTrackers(key, list)
	var wrong *record.Error
	if errors.As(err, &wrong) {
		return &usageError{err}
	}
	if err != nil {
		return err
	}
	if err := replaceWith(o.output, signed.Bytes()); err != nil {
		return fmt.Errorf("write the list: %w", err)
	}
	return printTrackers(a, key, signed)
}

// previous is the sequence of the list that is to be replaced, which must be one.
func (o *signOptions) previous() (uint64, error) {
	if info, err := os.Stat(o.output); err == nil && !info.Mode().IsRegular() {
		return 0, nil // A device or a pipe has no list.
	}
	signed, err := readTrackers(o.output)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return 0, nil
	case err != nil:
		return 0, fmt.Errorf("it would be replaced (choose another with --output): %w", err)
	}
	return signed.Trackers().Sequence, nil
}

func (o *signOptions) signer(a *app) (crypto.PrivKey, error) {
	if o.key != "" {
		return repo.ReadKey(o.key)
	}
	dir, err := a.repoDir()
	if err != nil {
		return nil, err
	}
	return repo.Identity(dir)
}

func printTrackers(a *app, key crypto.PrivKey, signed *record.SignedTrackers) error {
	signer, err := peer.IDFromPrivateKey(key)
	if err != nil {
		return err
	}
	return describeTrackers(a, signer, signed.Trackers())
}

func describeTrackers(a *app, signer peer.ID, list *record.Trackers) error {
	says := signedList{Signer: signer, Sequence: list.Sequence, Issued: list.Issued.UTC(), Trackers: []string{}}
	for _, t := range list.List {
		says.Trackers = append(says.Trackers, node.Addresses(peer.AddrInfo{ID: t.Peer, Addrs: t.Addrs})...)
	}
	if a.json {
		return printJSON(a.out, says)
	}
	return says.print(a.out)
}

func (l *signedList) print(w io.Writer) error {
	_, err := fmt.Fprintf(w, "signer %s\nsequence %d\nissued %s\n%s", l.Signer, l.Sequence, l.Issued.Format(time.RFC3339),
		strings.Join(append(l.Trackers, ""), "\n"))
	return err
}

func newTrackersShow(a *app) *cobra.Command {
	var signer string
	cmd := &cobra.Command{
		Use:   "show FILE",
		Short: "Check the signature of a list of trackers and print it",
		Long: `Prints a list of trackers when the expected key has signed it. That key is given
as its peer ID, because a list does not say who may sign it.`,
		Example: `  souk trackers show trackers.list --signer 12D3Koo…`,
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			by, err := a.signer(signer)
			if err != nil {
				return err
			}
			signed, err := readTrackers(args[0])
			if err != nil {
				return err
			}
			if err := checkSigner(args[0], signed, by); err != nil {
				return err
			}
			return describeTrackers(a, by, signed.Trackers())
		},
	}
	cmd.Flags().StringVar(&signer, "signer", "", "peer ID of the key (default: the repository's own)")
	return cmd
}

// signer is the peer ID of the key that signs lists.
func (a *app) signer(given string) (peer.ID, error) {
	if given != "" {
		id, err := peer.Decode(given)
		if err != nil {
			return "", usagef("--signer %q is not a peer ID (\"souk id\" prints that of a repository): %w", given, err)
		}
		return id, nil
	}
	dir, err := a.repoDir()
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return "", usagef("whose signature is expected? Give the key's peer ID with --signer")
	}
	key, err := repo.Identity(dir)
	if err != nil {
		return "", err
	}
	return peer.IDFromPrivateKey(key)
}

// checkSigner returns an error unless signer, if there is one, has signed the
// list.
func checkSigner(path string, signed *record.SignedTrackers, signer peer.ID) error {
	if signer == "" {
		return nil
	}
	if err := signed.Verify(signer, time.Now()); err != nil {
		return fmt.Errorf("%s is not to be believed as a list of %s: %w", path, signer, err)
	}
	return nil
}
