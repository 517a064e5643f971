package access

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"regexp"
	"strings"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/rate"
)

const (
	mostLine    = 64 << 10 // bytes: a comment of a denylist may be long, a rule is not
	mostRules   = 4 << 20  // ten times the largest public denylist
	mostFaults  = 10       // that are named, of one reading
	mostReasons = 64       // names after "as": each is a series of a metric
)

// names are right for classes and reasons: they are labels of metrics.
var names = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`)

// LineError says what is wrong with a line, and what would be right.
type LineError struct {
	File string
	Line int
	Text string
	Says string
}

func (e *LineError) Error() string {
	text := e.Text
	if len(text) > 200 {
		text = text[:200] + "…"
	}
	return fmt.Sprintf("%s:%d: %q: %s", e.File, e.Line, text, e.Says)
}

// Read reads the rules of files, as if they were one. The error names every line that
// is wrong, up to ten, as [LineError]s.
func Read(paths ...string) (*Rules, error) {
	p := newParser()
	for _, path := range paths {
		if err := p.readFile(path); err != nil {
			return nil, fmt.Errorf("access rules: %w", err)
		}
	}
	return p.rules()
}

// Parse reads rules that are called name in errors.
func Parse(name string, text io.Reader) (*Rules, error) {
	p := newParser()
	if err := p.read(name, text); err != nil {
		return nil, fmt.Errorf("access rules: %w", err)
	}
	return p.rules()
}

type parser struct {
	made     *Rules
	fallback Rule
	reasons  map[string]bool
	order    int // lines until now
	faults   []error

	file   string
	line   int
	text   string
	header bool // of a denylist, until ---
}

func newParser() *parser {
	return &parser{
		made: &Rules{
			Up: make(map[string]rate.Class), Down: make(map[string]rate.Class),
			peers: make(map[peer.ID]subject), nets: make(map[netip.Prefix]subject), named: make(map[string]subject),
			members: make(map[subject]member), index: make(map[key]int),
		},
		fallback: Rule{Allow: true, Reason: "default", Text: "default allow"},
		reasons:  make(map[string]bool),
	}
}

func (p *parser) readFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return p.read(path, f)
}

func (p *parser) read(name string, text io.Reader) error {
	p.file, p.line, p.header = name, 0, false
	lines := bufio.NewScanner(text)
	lines.Buffer(nil, mostLine)
	for lines.Scan() && len(p.faults) < mostFaults {
		p.line++
		p.order++
		p.take(lines.Text())
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("%s:%d: %w", name, p.line+1, err)
	}
	return nil
}

// rules returns what was read.
func (p *parser) rules() (*Rules, error) {
	if len(p.faults) > 0 {
		return nil, fmt.Errorf("access rules: %w", errors.Join(p.faults...))
	}
	p.made.rules = append(p.made.rules, p.fallback)
	return p.made, nil
}

// take reads one line.
func (p *parser) take(line string) {
	line, _, _ = strings.Cut(line, "#")
	p.text = strings.TrimSpace(line)
	switch {
	case p.header:
		p.header = p.text != "---"
		return
	case p.text == "":
		return
	case strings.HasPrefix(p.text, "version:"):
		p.header = true
		return
	}
	if err := p.statement(strings.Fields(p.text)); err != nil {
		p.faults = append(p.faults, &LineError{p.file, p.line, p.text, err.Error()})
	}
}

func (p *parser) statement(words []string) error {
	switch word := words[0]; {
	case word == "allow", word == "deny":
		return p.verdict(word == "allow", words[1:])
	case word == "default":
		return p.preset(words[1:])
	case word == "class":
		return p.class(words[1:])
	case word == "rate":
		return p.rate(words[1:])
	case strings.HasPrefix(word, "/"):
		return p.listed(word)
	}
	return errors.New("a line begins with allow, deny, default, class or rate, or is one of a denylist (//HASH, /ipfs/CID)")
}

// preset reads what holds where no rule matches.
func (p *parser) preset(words []string) error {
	if len(words) != 1 || words[0] != "allow" && words[0] != "deny" {
		return errors.New("write default allow, or default deny")
	}
	if p.fallback.Line != 0 {
		return fmt.Errorf("%s:%d says already what the default is", p.fallback.File, p.fallback.Line)
	}
	p.fallback = Rule{Allow: words[0] == "allow", Reason: "default", File: p.file, Line: p.line, Text: p.text}
	return nil
}

// verdict reads what follows allow and deny.
func (p *parser) verdict(allow bool, words []string) error {
	match, about, reason, all := key{}, "all", "", false
	for len(words) > 0 {
		word := words[0]
		if word == "all" {
			all, words = true, words[1:]
			continue
		}
		if len(words) == 1 {
			return fmt.Errorf("after %s a value is missing", word)
		}
		var err error
		if word == "as" {
			reason, err = words[1], p.reason(words[1])
		} else {
			about, err = word, p.match(&match, word, words[1])
		}
		if err != nil {
			return err
		}
		words = words[2:]
	}
	if all == (match != key{}) {
		return errors.New("write whom or what it is about: peer ID, net ADDRESS/BITS or class NAME, cid CID or multihash HASH, or all and nothing of these")
	}
	return p.decide(match, allow, cmp.Or(reason, about))
}

// decide enters a rule, unless one before it matches the same.
func (p *parser) decide(match key, allow bool, reason string) error {
	if len(p.made.rules) >= mostRules {
		return fmt.Errorf("there are more than %d rules", mostRules)
	}
	if _, twice := p.made.index[match]; !twice {
		p.made.index[match] = len(p.made.rules)
		p.made.rules = append(p.made.rules, Rule{Allow: allow, Reason: reason, File: p.file, Line: p.line, Text: p.text})
	}
	return nil
}

// reason checks the name of a reason.
func (p *parser) reason(name string) error {
	if !names.MatchString(name) {
		return fmt.Errorf("%q is no name: write small letters, digits and -, at most 32", name)
	}
	if p.reasons[name] = true; len(p.reasons) > mostReasons {
		return fmt.Errorf("there are more than %d names of reasons", mostReasons)
	}
	return nil
}

// match reads one condition.
func (p *parser) match(k *key, what, value string) (err error) {
	switch what {
	case "peer", "net", "class":
		if k.who != anyone {
			return errors.New("a rule is about one peer, net or class: write another line")
		}
		k.who, err = p.subject(what, value)
	case "cid", "multihash", "hash":
		if k.kind != allBlocks {
			return errors.New("a rule is about one block: write another line")
		}
		k.kind, k.what, err = p.block(what, value)
	default:
		err = fmt.Errorf("%q is unknown: write peer, net, class, cid, multihash, hash or as", what)
	}
	return err
}

// listed reads a line of a denylist. What it says of paths is not said of blocks.
func (p *parser) listed(word string) error {
	match := key{}
	var err error
	if hash, double := strings.CutPrefix(word, "//"); double {
		match.kind, match.what, err = p.block("hash", hash)
	} else if rest, ipfs := strings.CutPrefix(word, "/ipfs/"); ipfs && !strings.Contains(strings.TrimSuffix(strings.TrimSuffix(rest, "*"), "/"), "/") {
		match.kind, match.what, err = p.block("cid", strings.TrimSuffix(strings.TrimSuffix(rest, "*"), "/"))
	} else {
		p.made.Skipped++
		return nil
	}
	if err != nil {
		return err
	}
	return p.decide(match, false, "denylist")
}

// class reads who is in a class.
func (p *parser) class(words []string) error {
	if len(words) != 3 {
		return errors.New("write class NAME peer ID, or class NAME net ADDRESS/BITS")
	}
	name := words[0]
	if name == rate.Default {
		return fmt.Errorf("%s is the class of those in no other: choose another name", rate.Default)
	}
	if _, err := p.subject("class", name); err != nil {
		return err
	}
	if words[1] == "class" {
		return errors.New("a class has peers and networks: write peer ID or net ADDRESS/BITS")
	}
	s, err := p.subject(words[1], words[2])
	if err != nil {
		return err
	}
	if _, there := p.made.members[s]; !there {
		p.made.members[s] = member{p.order, name}
	}
	return nil
}

// rate reads what a class may send and be sent.
func (p *parser) rate(words []string) error {
	usage := errors.New("write rate CLASS [each] up RATE, down RATE, or both")
	if len(words) < 3 {
		return usage
	}
	name, words := words[0], words[1:]
	if _, err := p.subject("class", name); err != nil {
		return err
	}
	each := words[0] == "each"
	if each {
		words = words[1:]
	}
	if len(words) == 0 || len(words)%2 != 0 {
		return usage
	}
	for ; len(words) > 0; words = words[2:] {
		classes, known := map[string]map[string]rate.Class{"up": p.made.Up, "down": p.made.Down}[words[0]]
		r, err := rate.Parse(words[1])
		if err != nil {
			return err
		}
		if !known {
			return usage
		}
		c := classes[name]
		if each {
			c.Peer = r
		} else {
			c.Total = r
		}
		classes[name] = c
	}
	return nil
}
