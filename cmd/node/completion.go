package main

import (
	"github.com/spf13/cobra"
)

// shells are those that there are completions for.
var shells = []cobra.Completion{"bash", "fish", "powershell", "zsh"}

func newCompletion(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "completion SHELL",
		Short: "Print what makes a shell complete souk's commands",
		Long: `Prints a script that makes a shell complete commands, flags, settings, subsystems of
the log, and peers that the running node knows. SHELL is bash, fish, powershell or
zsh. The script is the same with --json.`,
		Example: `  souk completion bash > /etc/bash_completion.d/souk
  souk completion fish > ~/.config/fish/completions/souk.fish
  souk completion zsh > ~/.zfunc/_souk`,
		Args:      cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs),
		ValidArgs: shells,
		RunE: func(cmd *cobra.Command, args []string) error {
			root := cmd.Root()
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(a.out, true)
			case "fish":
				return root.GenFishCompletion(a.out, true)
			case "powershell":
				return root.GenPowerShellCompletionWithDesc(a.out)
			default:
				return root.GenZshCompletion(a.out)
			}
		},
	}
}
