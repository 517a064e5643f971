package access

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multihash"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/souk-p2p/souk/rate"
)

const (
	alice = "12D3KooWPjceQrSwdWXPyLLeABRXmuqt69Rg3sBYbU1Nft9HyQ6X"
	bob   = "12D3KooWH3uVF6wv47WnArKHk5p6cvgCJEb74UTmxztmQDc298L3"
)

func id(t require.TestingT, text string) peer.ID {
	p, err := peer.Decode(text)
	require.NoError(t, err)
	return p
}

// block returns a CID that a name stands for.
func block(name string) cid.Cid {
	sum, err := multihash.Sum([]byte(name), multihash.SHA2_256, -1)
	if err != nil {
		panic(err)
	}
	return cid.NewCidV1(cid.Raw, sum)
}

func from(t require.TestingT, who string, addrs ...string) Peer {
	p := Peer{ID: id(t, who)}
	for _, a := range addrs {
		p.Addrs = append(p.Addrs, netip.MustParseAddr(a))
	}
	return p
}

func parse(t require.TestingT, lines ...string) *Rules {
	r, err := Parse("rules", strings.NewReader(strings.Join(lines, "\n")))
	require.NoError(t, err)
	return r
}

func TestTheFirstRuleThatMatchesDecides(t *testing.T) {
	a, b, c := block("a"), block("b"), block("c")
	r := parse(t,
		"allow peer "+alice+" cid "+a.String(),
		"deny cid "+a.String()+" as court",
		"class friends net 10.0.0.0/8",
		"allow class friends",
		"deny net 192.0.2.0/24 as scanners",
		"deny peer "+alice+" cid "+b.String()+" # not this one",
		"default allow",
	)
	for _, c := range []struct {
		who    Peer
		block  cid.Cid
		allow  bool
		reason string
	}{
		{from(t, alice), a, true, "cid"},
		{from(t, bob), a, false, "court"},
		{from(t, bob, "10.1.2.3"), a, false, "court"},
		{from(t, bob, "10.1.2.3", "192.0.2.7"), c, true, "class"},
		{from(t, bob, "192.0.2.7"), c, false, "scanners"},
		{from(t, bob, "::ffff:192.0.2.7"), c, false, "scanners"},
		{from(t, bob, "192.0.3.7"), c, true, "default"},
		{from(t, alice), b, false, "cid"},
		{from(t, bob), b, true, "default"},
	} {
		got := r.Decide(c.who, c.block)
		require.Equal(t, c.allow, got.Allow, "%v %v", c.who, got)
		require.Equal(t, c.reason, got.Reason, "%v %v", c.who, got)
	}
	require.Equal(t, "rules:5: deny net 192.0.2.0/24 as scanners", r.Decide(from(t, bob, "192.0.2.7"), c).String())
}

func TestABlockIsDeniedUnderEveryCIDOfItsMultihash(t *testing.T) {
	c := block("x")
	r := parse(t, "deny multihash "+c.Hash().HexString())
	for _, name := range []cid.Cid{c, cid.NewCidV0(c.Hash()), cid.NewCidV1(cid.DagCBOR, c.Hash())} {
		require.False(t, r.Decide(from(t, bob), name).Allow)
	}
	require.True(t, r.Decide(from(t, bob), block("y")).Allow)
}

// The examples that the format of denylists is described with.
func TestDenylistsAreReadAsTheyAre(t *testing.T) {
	r := parse(t,
		"version: 1",
		"name: a list",
		"---",
		"# a comment",
		"/ipfs/bafybeihvvulpp4evxj7x7armbqcyg6uezzuig6jp3lktpbovlqfkuqeuoq",
		"/ipfs/QmdWFA9FL52hx3j9EJZPQP1ZUH8Ygi5tLCX2cRDs6knSf8/*",
		"/ipfs/Qmah2YDTfrox4watLCr3YgKyBwvjq8FJZEFdWY6WtJ3Xt2/test*",
		"/ipns/domain.example",
		"//QmX9dhRcQcKUw3Ws8485T5a9dtjrSCQaUAHnG4iK9i4ceM",
		"//d9d295bde21f422d471a90f2a37ec53049fdf3e5fa3ee2e8f20e10003da429e7",
	)
	for _, denied := range []string{
		"bafybeihvvulpp4evxj7x7armbqcyg6uezzuig6jp3lktpbovlqfkuqeuoq",
		"QmdWFA9FL52hx3j9EJZPQP1ZUH8Ygi5tLCX2cRDs6knSf8",
		"QmVTF1yEejXd9iMgoRTFDxBv7HAz9kuZcQNBzHrceuK9HR",
		"bafybeidjwik6im54nrpfg7osdvmx7zojl5oaxqel5cmsz46iuelwf5acja",
		"bafybeiefwqslmf6zyyrxodaxx4vwqircuxpza5ri45ws3y5a62ypxti42e",
	} {
		got := r.Decide(from(t, bob), cid.MustParse(denied))
		require.False(t, got.Allow, denied)
		require.Equal(t, "denylist", got.Reason)
	}
	require.True(t, r.Decide(from(t, bob), cid.MustParse("Qmah2YDTfrox4watLCr3YgKyBwvjq8FJZEFdWY6WtJ3Xt2")).Allow)
	require.Equal(t, 2, r.Skipped)
}

func TestALegacyHashDeniesOneCID(t *testing.T) {
	c := block("x")
	sum := sha256.Sum256([]byte(c.String() + "/"))
	r := parse(t, "deny hash "+hex.EncodeToString(sum[:]))
	require.False(t, r.Decide(from(t, bob), c).Allow)
	require.True(t, r.Decide(from(t, bob), cid.NewCidV1(cid.DagCBOR, c.Hash())).Allow)
}

func TestClassesAndTheirRates(t *testing.T) {
	r := parse(t,
		"class friends peer "+alice,
		"class office net 2001:db8::/32",
		"class friends net 2001:db8:1::/48",
		"rate friends up 20MB/s down off",
		"rate friends each up 2MB/s",
		"rate default down 8Mbit/s",
	)
	require.Equal(t, "friends", r.Class(from(t, alice, "2001:db8::1")))
	require.Equal(t, "office", r.Class(from(t, bob, "2001:db8:1::1")), "the first line counts")
	require.Equal(t, rate.Default, r.Class(from(t, bob, "2001:db9::1")))
	require.Equal(t, map[string]rate.Class{"friends": {Total: 20 * rate.MB, Peer: 2 * rate.MB}}, r.Up)
	require.Equal(t, map[string]rate.Class{"friends": {Total: rate.Unlimited}, rate.Default: {Total: rate.MB}}, r.Down)
	require.NoError(t, rate.Limits{Classes: r.Up}.Validate())
}

func TestWhoIsDeniedEverything(t *testing.T) {
	r := parse(t, "allow cid "+block("public").String(), "deny peer "+alice, "deny cid "+block("x").String())
	require.True(t, r.Denies(from(t, alice)))
	require.False(t, r.Denies(from(t, bob)))
	require.True(t, r.Decide(from(t, alice), block("public")).Allow)
	require.False(t, parse(t, "default deny").Denies(from(t, bob)), "nothing is said of him")
	require.True(t, parse(t, "default allow\ndeny all").Denies(from(t, bob)))
	require.False(t, parse(t, "allow peer "+bob+"\ndeny all").Denies(from(t, bob)))
	require.False(t, (*Rules)(nil).Denies(from(t, bob)))
	require.True(t, (*Rules)(nil).Decide(from(t, bob), block("x")).Allow)
}

func TestEveryWrongLineIsNamedWithWhatIsRight(t *testing.T) {
	for line, says := range map[string]string{
		"permit all":                              "a line begins with allow, deny,",
		"deny":                                    "write whom or what it is about",
		"deny peer":                               "after peer a value is missing",
		"deny peer Bob":                           "is not the ID of a peer, such as 12D3KooW",
		"deny net 192.0.2.1/24":                   "has bits beyond its length: write 192.0.2.0/24",
		"deny net example.org":                    "write ADDRESS/BITS, such as 192.0.2.0/24",
		"deny ip 192.0.2.1":                       `"ip" is unknown: write peer, net, class`,
		"deny net 1.0.0.0/8 peer " + alice:        "a rule is about one peer, net or class",
		"deny cid nonsense":                       "is not a CID",
		"deny multihash zz":                       "is not a multihash",
		"deny hash abc":                           "64 hexadecimal digits",
		"//zzz":                                   "64 hexadecimal digits",
		"/ipfs/nonsense":                          "is not a CID",
		"deny all as A/B":                         "is no name: write small letters",
		"default maybe":                           "write default allow, or default deny",
		"class default peer " + alice:             "is the class of those in no other",
		"class friends class enemies":             "write peer ID or net ADDRESS/BITS",
		"class friends " + alice:                  "write class NAME peer ID",
		"rate friends up":                         "write rate CLASS [each] up RATE",
		"rate friends up 10Mb/s":                  "write bytes or bits a second",
		"rate friends sideways 10MB/s":            "write rate CLASS [each] up RATE",
		"rate friends each":                       "write rate CLASS [each] up RATE",
		"deny cid " + block("a").String() + " as": "after as a value is missing",
	} {
		_, err := Parse("rules", strings.NewReader("\n"+line))
		var wrong *LineError
		require.ErrorAs(t, err, &wrong, line)
		require.Equal(t, 2, wrong.Line)
		require.Equal(t, line, wrong.Text)
		require.Contains(t, wrong.Says, says, line)
	}
	_, err := Parse("rules", strings.NewReader(strings.Repeat("nonsense\n", 100)))
	require.Equal(t, mostFaults, strings.Count(err.Error(), "nonsense"))
	_, err = Parse("rules", strings.NewReader("default deny\ndefault allow"))
	require.ErrorContains(t, err, "rules:1 says already what the default is")
}

func TestFilesAreReadInTheirOrder(t *testing.T) {
	dir := t.TempDir()
	first, second := filepath.Join(dir, "first"), filepath.Join(dir, "second")
	require.NoError(t, os.WriteFile(first, []byte("allow peer "+alice), 0o600))
	require.NoError(t, os.WriteFile(second, []byte("deny all"), 0o600))
	r, err := Read(first, second)
	require.NoError(t, err)
	require.True(t, r.Decide(from(t, alice), block("a")).Allow)
	require.Equal(t, second+":1: deny all", r.Decide(from(t, bob), block("a")).String())
	_, err = Read(filepath.Join(dir, "third"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

// However the rules are found, they decide as if all were tried one after the other.
func TestTheIndexDecidesAsTheListWould(t *testing.T) {
	people := []string{alice, bob}
	nets := []string{"10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24", "0.0.0.0/0", "2001:db8::/32"}
	addrs := []string{"10.1.2.3", "10.1.9.9", "10.9.9.9", "192.0.2.1", "2001:db8::1"}
	rapid.Check(t, func(t *rapid.T) {
		type line struct {
			who, net string
			block    string
			allow    bool
		}
		var list []line
		text := []string{"default deny"}
		for range rapid.IntRange(0, 12).Draw(t, "rules") {
			l := line{allow: rapid.Bool().Draw(t, "allow"), block: rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "block")}
			words := map[bool]string{true: "allow", false: "deny"}[l.allow]
			switch rapid.IntRange(0, 2).Draw(t, "about") {
			case 0:
				l.who = rapid.SampledFrom(people).Draw(t, "who")
				words += " peer " + l.who
			case 1:
				l.net = rapid.SampledFrom(nets).Draw(t, "net")
				words += " net " + l.net
			}
			if l.block != "" {
				words += " cid " + block(l.block).String()
			}
			if l == (line{allow: l.allow}) {
				words += " all"
			}
			list, text = append(list, l), append(text, words)
		}
		r := parse(t, text...)
		for _, who := range people {
			for _, addr := range addrs {
				for _, name := range []string{"a", "b", "c"} {
					want := false
					for _, l := range list {
						if (l.who == "" || l.who == who) && (l.block == "" || l.block == name) &&
							(l.net == "" || netip.MustParsePrefix(l.net).Contains(netip.MustParseAddr(addr))) {
							want = l.allow
							break
						}
					}
					require.Equal(t, want, r.Decide(from(t, who, addr), block(name)).Allow, "%s at %s for %s", who, addr, name)
				}
			}
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add("deny net 10.0.0.0/8 as x\nclass a peer " + alice + "\nrate a up 1MB/s\n//QmX9dhRcQcKUw3Ws8485T5a9dtjrSCQaUAHnG4iK9i4ceM")
	f.Add("version: 1\n---\n/ipfs/x/y")
	f.Fuzz(func(t *testing.T, text string) {
		r, err := Parse("fuzz", strings.NewReader(text))
		if err != nil {
			return
		}
		p := from(t, alice, "10.0.0.1", "2001:db8::1")
		r.Decide(p, block("a"))
		r.Denies(p)
		require.NotEmpty(t, r.Class(p))
		require.NoError(t, rate.Limits{Classes: r.Up}.Validate())
		require.NoError(t, rate.Limits{Classes: r.Down}.Validate())
	})
}

// BenchmarkDecide shows that the number of rules costs nothing.
func BenchmarkDecide(b *testing.B) {
	for _, n := range []int{10, 100_000} {
		b.Run(fmt.Sprint(n, " rules"), func(b *testing.B) {
			lines := []string{"class friends net 10.0.0.0/8", "deny net 192.0.2.0/24"}
			for i := range n {
				lines = append(lines, "deny cid "+block(fmt.Sprint(i)).String())
			}
			r, p, c := parse(b, lines...), from(b, alice, "198.51.100.7"), block("wanted")
			b.ReportAllocs()
			for b.Loop() {
				r.Decide(p, c)
			}
		})
	}
}
