package crash

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/test/internal/tally"
)

func TestRepositoryKilledWhileItIsMadeIsMadeByTheNextUse(t *testing.T) {
	t.Parallel()
	souk(t)
	file := newSource(t, 0).files[0]
	add := func(repo string) *process { return start(t, repo, "add", "--quiet", file) }
	when := undisturbed(t, func() { require.NoError(t, add(filepath.Join(t.TempDir(), "deep", "repo")).wait()) })
	for range share(t, 10) {
		repo := filepath.Join(t.TempDir(), "deep", "repo")
		p := add(repo)
		p.killAfter(when.next())
		before, err := os.ReadFile(filepath.Join(repo, "identity.key"))
		require.True(t, err == nil || os.IsNotExist(err))

		run(t, repo, "add", "--quiet", file)
		after, err := os.ReadFile(filepath.Join(repo, "identity.key"))
		require.NoError(t, err)
		if before != nil {
			require.Equal(t, before, after, "the node keeps the identity that it may have told others")
		}
	}
}

func TestPlaceWithoutPermissionIsNamed(t *testing.T) {
	t.Parallel()
	file := newSource(t, 0).files[0]
	for name, closed := range map[string]func(t *testing.T, repo string) string{
		"a new repository": func(t *testing.T, repo string) string {
			require.NoError(t, os.Mkdir(repo, 0o755))
			return repo
		},
		"the directory above": func(_ *testing.T, repo string) string { return filepath.Dir(repo) },
		"the blocks": func(t *testing.T, repo string) string {
			run(t, repo, "add", file)
			return filepath.Join(repo, "blocks")
		},
	} {
		t.Run(name, func(t *testing.T) {
			top := t.TempDir()
			repo := filepath.Join(top, "repo")
			dir := closed(t, repo)
			giveAway(t, top)
			require.NoError(t, os.Chmod(dir, 0o555))
			t.Cleanup(func() { _ = os.Chmod(dir, 0o755) })

			p := launch(t, powerless(exec.Command(souk(t), "--repo", repo, "add", "-")))
			var failed *exec.ExitError
			require.ErrorAs(t, p.wait(), &failed)
			require.Equal(t, 5, failed.ExitCode())
			require.Contains(t, p.errors.String(), "permission denied")
			require.Contains(t, p.errors.String(), dir)
			require.Len(t, strings.Split(strings.TrimSpace(p.errors.String()), "\n"), 1, "%s", p.errors)
			tally.Add(t, tally.StoreFaults, 1)
		})
	}
}

// nobody owns nothing, by convention. The superuser cannot test permissions.
const nobody = 65534

// powerless makes a command run without the superuser's power.
func powerless(cmd *exec.Cmd) *exec.Cmd {
	if os.Getuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	return cmd
}

// giveAway lets a powerless command own what is below top, and get there and to
// the command.
func giveAway(t *testing.T, top string) {
	t.Helper()
	if os.Getuid() != 0 {
		return
	}
	for _, dir := range []string{filepath.Dir(top), filepath.Dir(souk(t))} {
		require.NoError(t, os.Chmod(dir, 0o755))
	}
	require.NoError(t, filepath.WalkDir(top, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, nobody, nobody)
	}))
}
