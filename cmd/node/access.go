package main

import (
	"fmt"
	"io"
	"net/netip"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/spf13/cobra"

	"github.com/souk-p2p/souk/access"
	"github.com/souk-p2p/souk/cmd/node/internal/config"
)

// verdict is what "access check" prints as JSON.
type verdict struct {
	Peer      string   `json:"peer"`
	Addresses []string `json:"addresses"` // that connections are assumed to come from
	CID       string   `json:"cid,omitempty"`
	Allow     bool     `json:"allow"`
	Fetch     bool     `json:"fetch"` // whether it is fetched from
	Class     string   `json:"class"`
	Reason    string   `json:"reason"`         // that refusals are counted by
	File      string   `json:"file,omitempty"` // of the rule that decides; none if no rule does
	Line      int      `json:"line,omitempty"`
	Rule      string   `json:"rule"`
}

// deniedError is a check that ended with a refusal.
type deniedError struct{ rule access.Rule }

func (e *deniedError) Error() string { return "denied by " + e.rule.String() }

// Denied makes it the exit code of what is denied.
func (*deniedError) Denied() bool { return true }

func newAccess(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "access",
		Short: "See what the access rules say",
		Long: `Access rules say who may have which blocks, and in which class a peer is. They are
lines in files that "souk run" is given with --access-rules.`,
		Example: `  souk access check 12D3KooWPjceQrSwdWXPyLLeABRXmuqt69Rg3sBYbU1Nft9HyQ6X`,
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newAccessCheck(a))
	return cmd
}

func newAccessCheck(a *app) *cobra.Command {
	var o limitOptions
	var addresses []string
	cmd := &cobra.Command{
		Use:   "check PEER [CID]",
		Short: "Say whether a peer may have a block, and which line decides it",
		Long: `Reads the access rules, those of the settings unless --access-rules names others,
and says whether they let the peer have the block, by which line, and in which class
the peer is. Without a CID it says whether the peer may have blocks that no rule
names. Nothing is fetched from a peer that a line denies everything: "fetch" says so.
It asks no running node, so rules can be tried before a node uses them.

It exits with 0 if it is allowed, and with 5 if it is denied.`,
		Example: `  souk access check 12D3KooWPjceQrSwdWXPyLLeABRXmuqt69Rg3sBYbU1Nft9HyQ6X
  souk access check --access-rules rules.txt --address 192.0.2.7 12D3KooW… bafy…`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !cmd.Flags().Changed("access-rules") {
				dir, err := a.repoDir()
				if err != nil {
					return err
				}
				if o.accessRules, err = a.configuredRules(dir); err != nil {
					return err
				}
			}
			if err := o.readRules(); err != nil {
				return err
			}
			return checkAccess(a, o.rules, args, addresses)
		},
	}
	o.accessFlag(cmd.Flags())
	cmd.Flags().StringArrayVar(&addresses, "address", nil, "as if a connection of the peer were with this IP address; may be repeated")
	return cmd
}

// configuredRules are the files that a node of the repository would read.
func (a *app) configuredRules(dir string) ([]string, error) {
	var o runOptions
	from, err := a.sources(dir).read()
	if err != nil {
		return nil, err
	}
	if _, err := config.Resolve(o.flagSet(), from); err != nil {
		return nil, &usageError{err}
	}
	return o.accessRules, nil
}

func checkAccess(a *app, rules *access.Rules, args, addresses []string) error {
	who, v := access.Peer{}, verdict{Peer: args[0], Addresses: append([]string{}, addresses...)}
	var err error
	if who.ID, err = peer.Decode(args[0]); err != nil {
		return usagef("%q is not the ID of a peer, such as 12D3KooW…: %w", args[0], err)
	}
	for _, text := range addresses {
		addr, err := netip.ParseAddr(text)
		if err != nil {
			return usagef("--address %q is no IP address, such as 192.0.2.7", text)
		}
		who.Addrs = append(who.Addrs, addr)
	}
	var c cid.Cid
	if len(args) > 1 {
		if c, err = cid.Decode(args[1]); err != nil {
			return usagef("%q is not a CID: %w", args[1], err)
		}
		v.CID = c.String()
	}
	rule := rules.Decide(who, c)
	v.Allow, v.Fetch, v.Class, v.Reason = rule.Allow, !rules.Denies(who), rules.Class(who), rule.Reason
	v.File, v.Line, v.Rule = rule.File, rule.Line, rule.Text
	if err := v.print(a.out, a.json); err != nil || rule.Allow {
		return err
	}
	return &deniedError{rule}
}

func (v *verdict) print(w io.Writer, asJSON bool) error {
	if asJSON {
		return printJSON(w, v)
	}
	words := map[bool]string{true: "allowed", false: "denied"}
	rule := access.Rule{File: v.File, Line: v.Line, Text: v.Rule}
	_, err := fmt.Fprintf(w, "%s\nrule   %s\nreason %s\nclass  %s\nfetch  %s\n", words[v.Allow], rule, v.Reason, v.Class, words[v.Fetch])
	return err
}
