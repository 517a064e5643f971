package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/multiformats/go-multicodec"
	"github.com/spf13/cobra"

	"github.com/souk-p2p/souk/adapter/dag"
	"github.com/souk-p2p/souk/adapter/dag/roots"
	"github.com/souk-p2p/souk/blockstore"
	"github.com/souk-p2p/souk/cmd/node/internal/node"
	"github.com/souk-p2p/souk/message"
)

func newBlock(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "block",
		Short: "Get, put, look at and remove single blocks",
		Long: `Works with single blocks, as they are stored and travel: files and directories are made
of many. See "souk add" and "souk get" for these.`,
		Example: `  souk block stat bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e`,
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newBlockGet(a), newBlockPut(a), newBlockStat(a), newBlockRm(a))
	return cmd
}

// parseCID reads a CID of the command line.
func parseCID(text string) (cid.Cid, error) {
	c, err := cid.Decode(strings.TrimPrefix(text, "/ipfs/"))
	if err != nil {
		return cid.Undef, usagef("%q is no CID: %w", text, err)
	}
	return c, nil
}

func parseCIDs(texts []string) ([]cid.Cid, error) {
	cs := make([]cid.Cid, len(texts))
	for i, text := range texts {
		var err error
		if cs[i], err = parseCID(text); err != nil {
			return nil, err
		}
	}
	return cs, nil
}

type blockGetOptions struct {
	sourceOptions
	output string
}

func newBlockGet(a *app) *cobra.Command {
	var o blockGetOptions
	cmd := &cobra.Command{
		Use:   "get CID",
		Short: "Write the bytes of one block to standard output or a file",
		Long: `Writes the bytes of one block as they are, with --json as well. A block that is not stored
here is fetched, from where "souk get" would fetch it.`,
		Example: `  souk block get bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e
  souk block get bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e -o hello \
    --peer /ip4/192.0.2.1/tcp/4101/p2p/12D3Koo…`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := parseCID(args[0])
			if err != nil {
				return err
			}
			return o.fetch(cmd.Context(), a, func(ctx context.Context, f node.Fetcher) error { return o.get(ctx, a, f, c) })
		},
	}
	o.flags(cmd.Flags())
	cmd.Flags().StringVarP(&o.output, "output", "o", "", "write to this file")
	return cmd
}

func (o *blockGetOptions) get(ctx context.Context, a *app, f node.Fetcher, c cid.Cid) error {
	var data []byte
	if b, inline := dag.Inline(c); inline {
		data = b.RawData()
	} else {
		b, err := f.GetBlock(ctx, c)
		if err != nil {
			return fmt.Errorf("block %s: %w", c, err)
		}
		data = b.RawData()
	}
	if o.output != "" {
		return replaceWith(o.output, data)
	}
	_, err := a.out.Write(data)
	return err
}

type blockPutOptions struct {
	codec, hash string
	pin         bool
}

// blockInfo is a line of JSON.
type blockInfo struct {
	CID  string `json:"cid"`
	Size int    `json:"size"` // bytes
}

func newBlockPut(a *app) *cobra.Command {
	var o blockPutOptions
	cmd := &cobra.Command{
		Use:   "put [FILE|-]...",
		Short: "Store files as one block each, and print their CIDs",
		Long: fmt.Sprintf(`Stores each FILE, or standard input, as one block of at most %d bytes and prints its
CID. The block is stored as it is, whatever its codec. It is garbage to "souk gc" unless
it is pinned or something that is pinned links to it.`, blockstore.MaxBlock),
		Example: `  souk block put picture.jpg
  souk block put --codec dag-cbor --pin < value.cbor`,
		RunE: func(cmd *cobra.Command, files []string) error {
			if len(files) == 0 {
				files = []string{stdin}
			}
			return o.run(cmd.Context(), a, files)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.codec, "codec", "raw", "codec of the CID, as raw, dag-pb, dag-cbor or dag-json")
	f.StringVar(&o.hash, "mhtype", "sha2-256", "hash function of the CID")
	f.BoolVar(&o.pin, "pin", false, "pin the block, and only it")
	return cmd
}

func (o *blockPutOptions) run(ctx context.Context, a *app, files []string) error {
	builder, err := o.builder()
	if err != nil {
		return err
	}
	return a.withNode(ctx, func(n node.Node) error {
		for _, file := range files {
			if err := o.put(ctx, a, n, builder, file); err != nil {
				return err
			}
		}
		return nil
	})
}

func (o *blockPutOptions) builder() (b cid.V1Builder, err error) {
	var codec, hash multicodec.Code
	if err := codec.Set(o.codec); err != nil || codec.Tag() != "ipld" && codec != multicodec.Raw {
		return b, usagef("--codec %q is none, as raw, dag-pb, dag-cbor or dag-json are", o.codec)
	}
	if err := hash.Set(o.hash); err != nil {
		return b, usagef("--mhtype %q is no hash function, as sha2-256 and blake3 are", o.hash)
	}
	b = cid.V1Builder{Codec: uint64(codec), MhType: uint64(hash)}
	c, err := b.Sum(nil)
	if err == nil {
		err = message.CheckCID(c)
	}
	if err != nil {
		return b, usagef("--mhtype %q cannot be used for blocks: %w", o.hash, err)
	}
	return b, nil
}

func (o *blockPutOptions) put(ctx context.Context, a *app, n node.Node, builder cid.V1Builder, file string) error {
	data, err := readBlock(a.in, file)
	if err != nil {
		return err
	}
	c, err := builder.Sum(data)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	b, err := blocks.NewBlockWithCid(data, c)
	if err != nil {
		return err
	}
	if err := o.store(ctx, n, b); err != nil {
		return err
	}
	if a.json {
		return printJSON(a.out, blockInfo{CID: c.String(), Size: len(data)})
	}
	_, err = fmt.Fprintln(a.out, c)
	return err
}

func (o *blockPutOptions) store(ctx context.Context, n node.Node, b blocks.Block) (err error) {
	if !o.pin {
		return n.PutMany(ctx, []blocks.Block{b})
	}
	release, err := n.Hold(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, release()) }()
	if err := n.PutMany(ctx, []blocks.Block{b}); err != nil {
		return err
	}
	_, err = n.Pin(ctx, node.PinRequest{CID: b.Cid(), Kind: roots.Direct, Complete: true}, nil)
	return err
}

// readBlock reads a file that is not larger than a block.
func readBlock(in io.Reader, file string) ([]byte, error) {
	if file != stdin {
		f, err := os.Open(file)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	data, err := io.ReadAll(io.LimitReader(in, blockstore.MaxBlock+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	if len(data) > blockstore.MaxBlock {
		return nil, fmt.Errorf("%s is larger than a block, which has %d bytes at most: store it in several with souk add", file, blockstore.MaxBlock)
	}
	return data, nil
}

func newBlockStat(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "stat CID...",
		Short: "Tell the sizes of blocks, and whether they are stored here",
		Long: `Prints the size in bytes of each block that is stored here. It fetches
nothing: when one is not stored the exit status is 3.`,
		Example: `  souk block stat bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e`,
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cs, err := parseCIDs(args)
			if err != nil {
				return err
			}
			return a.withNode(cmd.Context(), func(n node.Node) error { return statBlocks(cmd.Context(), a, n, cs) })
		},
	}
}

func statBlocks(ctx context.Context, a *app, n node.Node, cs []cid.Cid) error {
	var missing error
	for _, c := range cs {
		size, err := n.BlockSize(ctx, c)
		var absent interface{ NotFound() bool }
		switch {
		case errors.As(err, &absent) && absent.NotFound():
			missing = errors.Join(missing, err)
			continue
		case err != nil:
			return err
		case a.json:
			err = printJSON(a.out, blockInfo{CID: c.String(), Size: size})
		default:
			_, err = fmt.Fprintf(a.out, "%s %d\n", c, size)
		}
		if err != nil {
			return err
		}
	}
	return missing
}

// removedBlock is a line of JSON.
type removedBlock struct {
	CID     string `json:"cid"`
	Size    int    `json:"size"`
	Removed bool   `json:"removed"`
}

func newBlockRm(a *app) *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:   "rm CID...",
		Short: "Remove single blocks from the repository",
		Long: `Removes blocks and prints which. None is removed when one of them is the root of a
pin, unless --force is given. Whether something that is pinned links to a block is not
looked at: "souk pin ls --verify" tells what a pin lacks. When a block is not stored the
others are removed and the exit status is 3.`,
		Example: `  souk block rm bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e`,
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cs, err := parseCIDs(args)
			if err != nil {
				return err
			}
			return a.withNode(cmd.Context(), func(n node.Node) error { return removeBlocks(cmd.Context(), a, n, cs, force) })
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "remove roots of pins, too")
	return cmd
}

func removeBlocks(ctx context.Context, a *app, n node.Node, cs []cid.Cid, force bool) error {
	all, err := n.RemoveBlocks(ctx, cs, force)
	for _, one := range all {
		if !one.Removed {
			err = errors.Join(err, &node.NotStoredError{CID: one.CID})
		}
		if a.json {
			err = errors.Join(err, printJSON(a.out, removedBlock{CID: one.CID.String(), Size: one.Size, Removed: one.Removed}))
		} else if one.Removed {
			_, failed := fmt.Fprintf(a.out, "removed %s (%s)\n", one.CID, formatBytes(uint64(one.Size)))
			err = errors.Join(err, failed)
		}
	}
	return err
}
