package debug

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"runtime/debug"
	"runtime/pprof"
	"slices"
	"strings"
	"time"
)

// maxDump is how much of the goroutines and of the log is in a bundle: the
// stacks of a few thousand goroutines.
const maxDump = 4 << 20

// bundle answers with a zip file for a bug report. Unless it is asked for them
// (peers=plain, addresses=plain), it has no peer IDs, CIDs and addresses: there
// are marks instead, the same for the same one within a bundle.
func (p *pages) bundle(w http.ResponseWriter, r *http.Request) {
	m, err := newMask(r.FormValue("peers"), r.FormValue("addresses"))
	if err != nil {
		fail(w, r, http.StatusBadRequest, err.Error())
		return
	}
	var out bytes.Buffer
	if err := p.pack(r.Context(), &out, m); err != nil {
		fail(w, r, http.StatusInternalServerError, err.Error())
		return
	}
	header := w.Header()
	header.Set("Content-Type", "application/zip")
	header.Set("Content-Disposition", fmt.Sprintf(`attachment; filename="souk-%s.zip"`, p.Now().UTC().Format("20060102-150405")))
	_, _ = out.WriteTo(w)
}

// part is a file in a bundle.
type part struct {
	name string
	text []byte
}

func (p *pages) pack(ctx context.Context, out *bytes.Buffer, m *mask) error {
	parts, err := p.parts(ctx)
	if err != nil {
		return err
	}
	z := zip.NewWriter(out)
	for _, f := range parts {
		w, err := z.CreateHeader(&zip.FileHeader{Name: f.name, Method: zip.Deflate, Modified: p.Now()})
		if err != nil {
			return err
		}
		if _, err := w.Write(m.hide(f.text)); err != nil {
			return err
		}
	}
	return z.Close()
}

func (p *pages) parts(ctx context.Context) ([]part, error) {
	q := &query{limit: mostRows}
	parts := []part{{"version.txt", []byte(p.build())}, {"goroutines.txt", goroutines()}}
	if p.Settings != nil {
		parts = append(parts, part{"settings.txt", settings(p.Settings())})
	}
	if p.Log != nil {
		log := p.Log()
		parts = append(parts, part{"log.txt", log[max(0, len(log)-maxDump):]})
	}
	for _, of := range p.shown() {
		a, err := of.make(ctx, q, nil)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", of.name, err)
		}
		text, err := json.MarshalIndent(a.json, "", "  ")
		if err != nil {
			return nil, fmt.Errorf("%s: %w", of.name, err)
		}
		parts = append(parts, part{of.name + ".json", text})
	}
	vars, err := json.MarshalIndent(p.variables(), "", "  ")
	return append(parts, part{"vars.json", vars}), err
}

// shown are the pages that are in a bundle.
func (p *pages) shown() []shown {
	all := []shown{{"overview", p.overview}, {"ledgers", p.list}}
	for _, t := range p.topics() {
		all = append(all, shown{t.section, p.about(t)})
	}
	return all
}

type shown struct {
	name string
	make maker
}

// build says what was built, of which modules.
func (p *pages) build() string {
	text := p.version() + "\n" + p.Now().UTC().Format(time.RFC3339) + "\n"
	if info, ok := debug.ReadBuildInfo(); ok {
		text += "\n" + info.String()
	}
	return text
}

func goroutines() []byte {
	var out bytes.Buffer
	_ = pprof.Lookup("goroutine").WriteTo(&out, 1) // into memory
	return out.Bytes()[:min(out.Len(), maxDump)]
}

// secret is the name of a setting whose value nobody else is to know.
var secret = regexp.MustCompile(`(?i)token|secret|password|psk|private|identity|credential`)

func settings(all map[string]string) []byte {
	var out bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(all)) {
		value := all[name]
		if secret.MatchString(name) && value != "" {
			value = "(left out)"
		}
		fmt.Fprintf(&out, "%s = %q\n", name, value)
	}
	return out.Bytes()
}

// mask hides who and what a text is about.
type mask struct {
	salt             [16]byte // so that a mark cannot be looked up by trying
	peers, addresses bool     // are hidden
}

func newMask(peers, addresses string) (*mask, error) {
	m := &mask{peers: peers != "plain", addresses: addresses != "plain"}
	for name, value := range map[string]string{"peers": peers, "addresses": addresses} {
		if value != "" && value != "plain" && value != "hidden" {
			return nil, fmt.Errorf("%s: %q is not plain or hidden", name, value)
		}
	}
	_, _ = rand.Read(m.salt[:]) // It never fails.
	return m, nil
}

var (
	// A peer ID (Ed25519, or a SHA-256 of another key) or a CID: in base58 as of
	// version 0, in base32, base36 and base58 as of version 1.
	names = regexp.MustCompile(`\b(12D3Koo[1-9A-HJ-NP-Za-km-z]{40,}|16Uiu2[1-9A-HJ-NP-Za-km-z]{40,}|Qm[1-9A-HJ-NP-Za-km-z]{44}|b[a-z2-7]{50,}|k[a-z0-9]{50,}|z[1-9A-HJ-NP-Za-km-z]{44,})\b`)
	// What is reached over a network: IP addresses and names in a multiaddr, and
	// IP addresses anywhere.
	places = regexp.MustCompile(`/(ip4|ip6|dns|dns4|dns6|dnsaddr)/[^/\s"]+|\b\d{1,3}(\.\d{1,3}){3}\b|\[[0-9a-fA-F:.]*:[0-9a-fA-F:.]*(%\w+)?\]`)
)

func (m *mask) hide(text []byte) []byte {
	if m.addresses {
		text = places.ReplaceAllFunc(text, func(of []byte) []byte { return m.mark("address", of) })
	}
	if m.peers {
		text = names.ReplaceAllFunc(text, func(of []byte) []byte { return m.mark(kind(of), of) })
	}
	return text
}

func kind(name []byte) string {
	if bytes.HasPrefix(name, []byte("12D3Koo")) || bytes.HasPrefix(name, []byte("16Uiu2")) {
		return "peer"
	}
	return "id" // a peer or a CID
}

func (m *mask) mark(kind string, of []byte) []byte {
	sum := sha256.Sum256(append(m.salt[:], of...))
	return []byte(strings.Join([]string{kind, hex.EncodeToString(sum[:6])}, "-"))
}
