package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// exitCodes says what each exit status means. They do not change: scripts depend
// on them.
var exitCodes = []struct {
	code        int
	short, long string
}{
	{exitOK, "done", "What was asked for is done."},
	{exitFailed, "failed", "It was not, for the reason on standard error."},
	{exitUsage, "wrong usage", "The command line or a setting is wrong. Nothing was done."},
	{exitNotFound, "not found", "What was asked for is not here, and nobody who was asked has it."},
	{exitTimeout, "timed out", "It was not done in the time that was given. Another try may be."},
	{exitDenied, "denied", "A file, or somebody who was asked, does not allow it."},
	{exitLocked, "repository locked", "Another process has the repository open and takes no commands."},
	{exitInterrupted, "interrupted", "SIGINT has ended it."},
	{exitTerminated, "terminated", "SIGTERM has ended it."},
}

// listExitCodes is for the end of the root's help, which has lines of 80 letters.
func listExitCodes() string {
	text, line := "", "Exit status:"
	for i, e := range exitCodes {
		part := fmt.Sprintf(" %d %s,", e.code, e.short)
		if i == len(exitCodes)-1 {
			part = strings.Replace(part, ",", ".", 1)
		}
		if len(line)+len(part) > 80 {
			text, line = text+line+"\n", part[1:]
			continue
		}
		line += part
	}
	return text + line
}

// newExitCodes is a topic of the help, not a verb.
func newExitCodes() *cobra.Command {
	var long strings.Builder
	long.WriteString("Every command ends with one of these exit statuses:\n\n")
	for _, e := range exitCodes {
		fmt.Fprintf(&long, "  %-4d %-18s %s\n", e.code, e.short, e.long)
	}
	long.WriteString("\nWith --json, what standard error holds is {\"error\": \"...\", \"exit\": N}.")
	return &cobra.Command{
		Use:   "exit-codes",
		Short: "What the exit statuses mean",
		Long:  long.String(),
	}
}
