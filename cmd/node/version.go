package main

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/souk-p2p/souk/cmd/node/internal/control"
	"github.com/souk-p2p/souk/cmd/node/internal/repo"
)

// versionInfo is what `souk version` prints.
type versionInfo struct {
	Souk     string `json:"souk"`
	Revision string `json:"revision,omitempty"`
	Repo     int    `json:"repo"`    // layout of the repository
	Control  int    `json:"control"` // control API
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func newVersion(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version of souk",
		Long: `Prints the release of souk, which layout its repositories have, which version of the
control API it speaks, and what it was built with and for.`,
		Example: `  souk version
  souk version --json`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return printVersion(a.out, a.json) },
	}
}

func printVersion(w io.Writer, asJSON bool) error {
	v := versionInfo{
		Souk: release(), Revision: revision(), Repo: repo.Layout, Control: control.Version,
		Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH,
	}
	if asJSON {
		return printJSON(w, v)
	}
	_, err := fmt.Fprintf(w, "souk %s\nrepository layout %d, control API v%d\n%s %s\n", v.Souk, v.Repo, v.Control, v.Go, v.Platform)
	return err
}

// release is the version of the module that this was built from.
func release() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "devel"
}

func revision() string {
	info, _ := debug.ReadBuildInfo()
	if info == nil {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value
		}
	}
	return ""
}

// agent is what a node calls itself to its peers.
func agent() string { return "souk/" + release() }
