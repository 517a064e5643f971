// Command proof runs what is to show that the exchange is right, and prints in one
// table how much of it there was. A row counts only tests that passed.
//
//	go run ./test/proof [-seeds n] [-fuzz duration] [-write README.md]
//
// With -write the table in the file, between the lines that begin and end it, is
// replaced.
package main

import (
	"bufio"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/souk-p2p/souk/test/internal/section"
	"github.com/souk-p2p/souk/test/internal/tally"
)

// means says what a row counts.
var means = map[tally.What]string{
	tally.Scenarios:     "between nodes of Souk, and with boxo on either side; with peers that speak by hand; with stores and hooks that hang or panic",
	tally.BadInputs:     "that a peer survives while an honest peer beside it keeps its speed",
	tally.Seeds:         "of 3 to 20 nodes in one loop, with loss, delay, lies, failing stores, cancels and restarts; of a resolver among 500 peers",
	tally.Steps:         "in these runs, each followed by an audit of the actor that took it",
	tally.PlantedFaults: "of as many: mistakes made on purpose, which the tests have to notice",
	tally.CrashPoints:   "power lost before and after every sync, and what was acknowledged looked for",
	tally.Kills:         "at random moments of `add`, `get`, Put and the making of a repository",
	tally.StoreFaults:   "full, unreadable, slow and rotten disks, flipped bits, damaged files",
	tally.Shutdowns:     "each within 2 s and with nothing left",
	tally.Permutations:  "orders of the same events that end in the same state",
	tally.Fuzz:          "of every decoder and of the store's recovery",
}

func main() {
	seeds := flag.Int("seeds", 1000, "runs of the simulation")
	fuzz := flag.Duration("fuzz", 10*time.Second, "how long to fuzz each target; 0 for not at all")
	write := flag.String("write", "", "file whose table is replaced")
	flag.Parse()
	if err := run(*seeds, *fuzz, *write); err != nil {
		fmt.Fprintln(os.Stderr, "proof:", err)
		os.Exit(1)
	}
}

func run(seeds int, fuzz time.Duration, file string) error {
	counts, err := count(seeds, fuzz)
	if err != nil {
		return err
	}
	t := table(counts)
	fmt.Print(t)
	if file == "" {
		return nil
	}
	return section.Replace(file, "proof", "proof", t)
}

// count runs everything and returns the sums by row.
func count(seeds int, fuzz time.Duration) (map[tally.What]int, error) {
	file, err := os.CreateTemp("", "tally")
	if err != nil {
		return nil, err
	}
	defer os.Remove(file.Name())
	defer file.Close()
	commands := [][]string{
		{"go", "test", "-count=1", "./test/..."},
		{"make", "sim", fmt.Sprint("SEEDS=", seeds), "COUNT=1"},
	}
	if fuzz > 0 {
		commands = append(commands, []string{"make", "fuzz", fmt.Sprint("FUZZTIME=", fuzz)})
	}
	for _, c := range commands {
		cmd := exec.Command(c[0], c[1:]...)
		cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
		cmd.Env = append(os.Environ(), tally.File+"="+file.Name())
		if err := cmd.Run(); err != nil {
			return nil, fmt.Errorf("%s: %w", strings.Join(c, " "), err)
		}
	}
	return sum(file)
}

// sum adds the lines of a tally: a number and the name of a row.
func sum(file *os.File) (map[tally.What]int, error) {
	counts := make(map[tally.What]int)
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		number, row, _ := strings.Cut(lines.Text(), " ")
		n, err := strconv.Atoi(number)
		if err != nil {
			return nil, fmt.Errorf("a line of the tally is %q: %w", lines.Text(), err)
		}
		counts[tally.What(row)] += n
	}
	return counts, lines.Err()
}

func table(counts map[tally.What]int) string {
	var b strings.Builder
	b.WriteString("| | | |\n|---|---:|---|\n")
	for _, row := range tally.Rows {
		if n := counts[row]; n > 0 {
			fmt.Fprintf(&b, "| %s | %s | %s |\n", row, thousands(n), means[row])
		}
	}
	return b.String()
}

// thousands writes a number with a comma after each three digits from the right.
func thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
