package repo

import (
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/ipfs/go-datastore"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/stretchr/testify/require"
)

func open(t *testing.T, dir string) *Repo {
	t.Helper()
	r, err := Open(dir)
	require.NoError(t, err)
	return r
}

func TestFirstUseMakesThePrivateLayout(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "deep", "repo")
	r := open(t, dir)
	defer r.Close()

	for name, mode := range map[string]fs.FileMode{".": 0o700, identityFile: 0o600, lockFile: 0o600, versionFile: 0o600} {
		info, err := os.Stat(filepath.Join(dir, name))
		require.NoError(t, err)
		require.Equal(t, mode, info.Mode().Perm(), name)
	}
	require.EqualValues(t, crypto.Ed25519, r.Key().Type())
}

func TestBlocksAndIdentityOutliveTheProcess(t *testing.T) {
	dir, key := t.TempDir(), datastore.NewKey("/blocks/A")
	r := open(t, dir)
	require.NoError(t, r.Blocks().Put(t.Context(), key, []byte("hello")))
	require.NoError(t, r.Close())

	again := open(t, dir)
	defer again.Close()
	require.True(t, r.Key().Equals(again.Key()))
	got, err := again.Blocks().Get(t.Context(), key)
	require.NoError(t, err)
	require.Equal(t, []byte("hello"), got)
}

func TestASecondOpenSaysWhoHasIt(t *testing.T) {
	dir := t.TempDir()
	r := open(t, dir)

	_, err := Open(dir)
	var locked *LockedError
	require.ErrorAs(t, err, &locked)
	require.Equal(t, os.Getpid(), locked.PID)
	require.ErrorContains(t, err, "process "+strconv.Itoa(os.Getpid()))

	require.NoError(t, r.Close())
	require.NoError(t, open(t, dir).Close())
}

func TestANewerLayoutIsRefused(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, versionFile), []byte("2\n"), 0o600))

	_, err := Open(dir)
	var layout *LayoutError
	require.ErrorAs(t, err, &layout)
	require.Equal(t, "2", layout.Found)
}

func TestADamagedLayoutIsNotTakenForANewerOne(t *testing.T) {
	for _, found := range []string{"", "\x00\x00", "one"} {
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, versionFile), []byte(found), 0o600))
		_, err := Open(dir)
		var layout *LayoutError
		require.ErrorAs(t, err, &layout)
		require.ErrorContains(t, err, "damaged: write 1 into it")
	}
}

func TestALockThatADeadProcessLeftHoldsNobodyUp(t *testing.T) {
	dir := t.TempDir()
	for _, left := range []string{"1\n", "", "not a process"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, lockFile), []byte(left), 0o600))
		require.NoError(t, open(t, dir).Close())
	}
}

func TestADamagedRedirectionIsReplacedAndNotFollowed(t *testing.T) {
	precious := filepath.Join(t.TempDir(), "precious")
	require.NoError(t, os.WriteFile(precious, []byte("data"), 0o600))
	for _, found := range []string{"", ".", precious, "relative/souk-control-1/control.sock"} {
		dir := t.TempDir()
		r := open(t, dir)
		require.NoError(t, os.WriteFile(filepath.Join(dir, redirectFile), []byte(found), 0o600))
		_, err := Dial(t.Context(), dir)
		require.ErrorContains(t, err, "holds no path of a control socket")

		l, err := r.Listen()
		require.NoError(t, err)
		exchange(t, l, dir)
		require.NoError(t, l.Close())
		require.NoError(t, r.Close())
	}
	require.FileExists(t, precious)
}

func TestAnIdentityThatOthersMayReadIsRefused(t *testing.T) {
	dir := t.TempDir()
	_, err := Identity(dir)
	require.NoError(t, err)
	require.NoError(t, os.Chmod(filepath.Join(dir, identityFile), 0o644))

	_, err = Identity(dir)
	require.ErrorContains(t, err, "chmod 600")
	_, err = Open(dir)
	require.ErrorContains(t, err, "chmod 600")
	require.NoError(t, os.Chmod(filepath.Join(dir, identityFile), 0o600))
	require.NoError(t, open(t, dir).Close(), "a failed Open leaves the lock free")
}

func TestABrokenIdentityIsNotReplaced(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, identityFile)
	require.NoError(t, os.WriteFile(path, []byte("not a key"), 0o600))

	_, err := Open(dir)
	require.ErrorContains(t, err, "holds no private key")
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "not a key", string(content))
}

// exchange lets one byte pass from a client to the listener.
func exchange(t *testing.T, l net.Listener, dir string) {
	t.Helper()
	client, err := Dial(t.Context(), dir)
	require.NoError(t, err)
	defer client.Close()
	server, err := l.Accept()
	require.NoError(t, err)
	defer server.Close()
	_, err = client.Write([]byte{7})
	require.NoError(t, err)
	got := make([]byte, 1)
	_, err = server.Read(got)
	require.NoError(t, err)
	require.Equal(t, byte(7), got[0])
}

func TestTheSocketIsPrivateAndGoesWithItsListener(t *testing.T) {
	dir := t.TempDir()
	r := open(t, dir)
	defer r.Close()
	l, err := r.Listen()
	require.NoError(t, err)

	path := filepath.Join(dir, socketFile)
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o600), info.Mode().Perm())
	exchange(t, l, dir)

	require.NoError(t, l.Close())
	require.NoError(t, l.Close())
	require.NoFileExists(t, path)
}

func TestAStaleSocketIsReplaced(t *testing.T) {
	dir := t.TempDir()
	r := open(t, dir)
	defer r.Close()
	stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, socketFile)})
	require.NoError(t, err)
	stale.SetUnlinkOnClose(false) // as a process that was killed leaves it
	require.NoError(t, stale.Close())

	_, err = Dial(t.Context(), dir)
	require.Error(t, err)
	l, err := r.Listen()
	require.NoError(t, err)
	defer l.Close()
	exchange(t, l, dir)
}

func TestALongPathHasItsSocketElsewhere(t *testing.T) {
	runtime := t.TempDir()
	t.Setenv("XDG_RUNTIME_DIR", runtime)
	dir := filepath.Join(t.TempDir(), strings.Repeat("long", 30))
	r := open(t, dir)
	defer r.Close()
	l, err := r.Listen()
	require.NoError(t, err)

	exchange(t, l, dir)
	path, err := socketPath(dir)
	require.NoError(t, err)
	require.Equal(t, runtime, filepath.Dir(filepath.Dir(path)))
	info, err := os.Stat(filepath.Dir(path))
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o700), info.Mode().Perm())

	require.NoError(t, l.Close())
	left, err := os.ReadDir(runtime)
	require.NoError(t, err)
	require.Empty(t, left)
	require.NoFileExists(t, filepath.Join(dir, redirectFile))
}

func TestDefaultFollowsTheEnvironment(t *testing.T) {
	t.Setenv("SOUK_REPO", "/elsewhere")
	dir, err := Default()
	require.NoError(t, err)
	require.Equal(t, "/elsewhere", dir)

	t.Setenv("SOUK_REPO", "")
	t.Setenv("HOME", "/home/someone")
	dir, err = Default()
	require.NoError(t, err)
	require.Equal(t, "/home/someone/.souk", dir)
}
