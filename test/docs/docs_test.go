//go:build unix

package docs

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/souk-p2p/souk/test/internal/command"
)

// root is the directory of the module.
const root = "../.."

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		command.Remove()
		os.Exit(code)
	}))
}

func TestEveryCommandOfTheManualRuns(t *testing.T) {
	all, err := pages(root)
	require.NoError(t, err)
	for _, path := range all {
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			blocks, err := readPage(path)
			require.NoError(t, err)
			require.NoError(t, runPage(t, blocks))
		})
	}
}

// runPage follows a page and lists what it could not do here.
func runPage(t *testing.T, blocks []block) error {
	t.Helper()
	absolute, err := filepath.Abs(root)
	require.NoError(t, err)
	p, err := newPlay(absolute)
	require.NoError(t, err)
	wrong := p.follow(t.Context(), blocks)
	for _, left := range p.left {
		t.Log("not run: " + left)
	}
	if wrong != nil {
		t.Log("printed until then:\n" + p.printed)
	}
	if err := p.end(); wrong == nil {
		return err
	}
	return wrong
}

func TestAPageThatIsWrongIsFound(t *testing.T) {
	for name, c := range map[string]struct{ page, says string }{
		"a command fails":               {"```sh\ntrue\nfalse\ntrue\n```\n", "p.md:1: exit status 1"},
		"a variable is not set":         {"```sh\necho $NOWHERE\n```\n", "NOWHERE"},
		"a flag does not exist":         {"```sh\nsouk id --flag\n```\n", "unknown flag"},
		"something else is printed":     {"```sh\necho one; echo two\n```\n```text\none\ntwo…\nthree\n```\n", "the page shows"},
		"a word was never printed":      {"```sh\necho bafyone\n```\n```sh\necho bafyt…\n```\n", "nothing that was printed before is bafyt…"},
		"a node ends that should stay":  {"```sh stays\nsouk version\n```\n", "it has ended"},
		"a node cannot be interrupted":  {"```sh stays\nsh -c 'trap exit\\ 3 INT; echo ready; sleep 9'\n```\n", "after an interrupt: exit status 3"},
		"another machine has it":        {"```sh on=a\necho 1 >file\n```\n```sh on=b\ncat file\n```\n", "p.md:4: exit status 1"},
		"a mark is not known":           {"```sh sometimes\n```\n", "no mark \"sometimes\""},
		"what it needs is not known":    {"```sh needs=luck\n```\n", "nothing that a block may need"},
		"a command is indented":         {"    souk run\n", "fence it as sh"},
		"a command is in a plain fence": {"```\nsouk run\n```\n", "fence it as sh"},
		"a fence is open":               {"```sh\ntrue\n", "does not end"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			blocks, err := parse("p.md", c.page)
			if err == nil {
				err = runPage(t, blocks)
			}
			require.ErrorContains(t, err, c.says)
		})
	}
}

func TestWhatABlockLeavesIsThereForTheNext(t *testing.T) {
	blocks, err := parse("p.md", "```sh\nmkdir here; cd here; CID=$(echo bafyone)\n```\n"+
		"```sh\nbasename \"$PWD\"; echo $CID /ip4/192.0.2.1/tcp/1/p2p/12D3Koo\n```\n"+
		"```text\nhere\n…\n```\n"+
		"```sh on=other\necho bafy…/file --peer /ip4/10.0.0.1/tcp/4101/p2p/12…\n```\n"+
		"```text\nbafyone/file --peer /ip4/192.0.2.1/tcp/1/p2p/12D3Koo\n```\n")
	require.NoError(t, err)
	require.NoError(t, runPage(t, blocks))
}
