package main

import (
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// completeKeys completes the first argument to the key of a setting.
func completeKeys(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var keys []cobra.Completion
	new(runOptions).flagSet().VisitAll(func(f *pflag.Flag) {
		keys = append(keys, cobra.CompletionWithDesc(f.Name, f.Usage))
	})
	return keys, cobra.ShellCompDirectiveNoFileComp
}
