package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// manual is what is printed when the pages are written.
type manual struct {
	Dir   string `json:"dir"`
	Pages int    `json:"pages"`
}

func newMan(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "man DIR",
		Short: "Write the manual pages into a directory",
		Long: `Writes a manual page for each command into DIR, which is made when it is not there.
Their date is now, or that of SOURCE_DATE_EPOCH.`,
		Example: `  souk man ~/.local/share/man/man1
  souk man pages && man -l pages/souk-run.1`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			written, err := writeManual(cmd.Root(), args[0])
			if err != nil {
				return err
			}
			if a.json {
				return printJSON(a.out, written)
			}
			_, err = fmt.Fprintf(a.out, "wrote %s to %s\n", plural(uint64(written.Pages), "page", "pages"), printable(written.Dir))
			return err
		},
	}
}

func writeManual(root *cobra.Command, dir string) (written manual, err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return written, fmt.Errorf("write the manual: %w", err)
	}
	root.DisableAutoGenTag = true
	header := &doc.GenManHeader{Section: "1", Source: "souk " + release(), Manual: "Souk"}
	if err := doc.GenManTree(root, header, dir); err != nil {
		return written, fmt.Errorf("write the manual: %w", err)
	}
	pages, err := filepath.Glob(filepath.Join(dir, "souk*.1"))
	return manual{Dir: dir, Pages: len(pages)}, err
}
