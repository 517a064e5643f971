package main

import (
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/cmd/node/internal/node"
)

// every calls see for a command and all below it.
func every(cmd *cobra.Command, see func(*cobra.Command)) {
	see(cmd)
	for _, sub := range cmd.Commands() {
		every(sub, see)
	}
}

// Asking everybody for everything costs all of them bandwidth, so nobody may get
// there without saying so.
func TestNoDefaultOfAnyCommandFloods(t *testing.T) {
	var floods []string
	commands := 0
	every(newRoot(newApp(nil, nil, nil)), func(cmd *cobra.Command) {
		commands++
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if f.Name == "flood" {
				floods = append(floods, cmd.Name()+"="+f.DefValue)
			}
		})
	})
	require.Equal(t, []string{"run=false"}, floods)
	require.Greater(t, commands, 12)

	for _, cfg := range []node.Config{runConfig(t), shareConfig(t)} {
		require.Empty(t, cfg.Exchange, "what a node is tuned with, flooding among it")
	}
	require.Len(t, runConfig(t, "--flood").Exchange, 1)
}

func runConfig(t *testing.T, flags ...string) node.Config {
	t.Helper()
	var o runOptions
	f := pflag.NewFlagSet("run", pflag.ContinueOnError)
	o.flags(f)
	require.NoError(t, f.Parse(flags))
	cfg, err := o.configure(f)
	require.NoError(t, err)
	return cfg
}

func shareConfig(t *testing.T) node.Config {
	t.Helper()
	var o shareOptions
	f := o.flagSet()
	o.layoutFlags(f)
	cfg, err := o.configure(f)
	require.NoError(t, err)
	return cfg
}
