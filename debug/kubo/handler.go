package kubo

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk"
	"github.com/souk-p2p/souk/ledger"
)

// Path is where Kubo has its commands.
const Path = "/api/v0/"

// Node is what the commands tell of. Its methods are called from many goroutines.
type Node interface {
	Self() peer.ID
	Stat() souk.Stat
	// Partners are the peers that are connected.
	Partners() []peer.ID
	// Ledger is the account of a peer, and false when there is none.
	Ledger(p peer.ID) (ledger.Receipt, bool)
	// Wantlist is what this node wants, and WantlistOf what a peer wants of it.
	Wantlist() []cid.Cid
	WantlistOf(p peer.ID) []cid.Cid
}

// Handler answers requests below [Path].
func Handler(n Node) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodOptions:
			w.Header().Set("Allow", "OPTIONS, POST")
			w.WriteHeader(http.StatusNoContent)
		case r.Method != http.MethodPost:
			w.Header().Set("Allow", "OPTIONS, POST")
			http.Error(w, "405 - Method Not Allowed", http.StatusMethodNotAllowed)
		case !allowed(r):
			http.Error(w, "403 - Forbidden", http.StatusForbidden)
		default:
			answer(w, r, n)
		}
	})
}

// result is what a command answers with.
type result interface{ text(w io.Writer, o *options) }

type command func(n Node, o *options) (result, error)

var commands = map[string]command{"stat": stat, "ledger": ledgerOf, "wantlist": wantlist}

// clientError is a fault of the request.
type clientError struct{ error }

func answer(w http.ResponseWriter, r *http.Request, n Node) {
	run, args, ok := find(r.URL.Path)
	if !ok {
		http.Error(w, "404 page not found", http.StatusNotFound)
		return
	}
	o, err := parse(r.URL.Query(), args)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	out, err := run(n, o)
	var wrong *clientError
	switch {
	case errors.As(err, &wrong):
		http.Error(w, err.Error(), http.StatusBadRequest)
	case err != nil:
		o.fail(w, err)
	default:
		o.write(w, out)
	}
}

// find returns the command that a path names. As with Kubo, what follows its name
// is an argument.
func find(path string) (run command, args []string, ok bool) {
	rest, ok := strings.CutPrefix(path, Path+"bitswap/")
	name, arg, more := strings.Cut(rest, "/")
	run, known := commands[name]
	if !ok || !known || strings.Contains(arg, "/") {
		return nil, nil, false
	}
	if more {
		args = []string{arg}
	}
	return run, args, true
}

// options are what a request asks of a command.
type options struct {
	args           []string
	peer           *string
	verbose, human bool
	asText         bool
}

// parse takes options by their long and short names. Those that it does not know
// are for clients of Kubo, and change nothing here.
func parse(v url.Values, args []string) (*options, error) {
	o := &options{args: append(args, v["arg"]...)}
	for name, values := range v {
		if name != "arg" && len(values) > 1 && slices.Contains(known, name) {
			return nil, fmt.Errorf("expected key %s to have only a single value, received %v", long(name), values)
		}
	}
	for name, into := range map[string]*bool{"verbose": &o.verbose, "v": &o.verbose, "human": &o.human} {
		if err := boolean(v, name, into); err != nil {
			return nil, err
		}
	}
	for _, name := range []string{"peer", "p"} {
		if v.Has(name) {
			text := v.Get(name)
			o.peer = &text
		}
	}
	encoding := "json"
	for _, name := range []string{"encoding", "enc"} {
		if v.Has(name) {
			encoding = v.Get(name)
		}
	}
	o.asText = encoding == "text"
	if encoding != "text" && encoding != "json" {
		return nil, fmt.Errorf("invalid encoding: %s", encoding)
	}
	return o, nil
}

var known = []string{"verbose", "v", "human", "peer", "p", "encoding", "enc"}

func long(name string) string {
	switch name {
	case "v":
		return "verbose"
	case "p":
		return "peer"
	case "enc":
		return "encoding"
	}
	return name
}

// boolean reads an option that is set by being there.
func boolean(v url.Values, name string, into *bool) error {
	if !v.Has(name) {
		return nil
	}
	text := v.Get(name)
	if text == "" {
		*into = true
		return nil
	}
	is, err := strconv.ParseBool(strings.ToLower(text))
	if err != nil {
		return fmt.Errorf("could not convert value %q to type \"bool\" (for option %q)", text, "-"+long(name))
	}
	*into = is
	return nil
}

// exposed are headers that clients of Kubo look for.
const exposed = "X-Stream-Output, X-Chunked-Output, X-Content-Length"

func (o *options) header(w http.ResponseWriter) {
	w.Header().Set("Access-Control-Allow-Headers", exposed)
	w.Header().Set("Access-Control-Expose-Headers", exposed)
	w.Header().Set("Content-Type", "application/json")
	if o.asText {
		w.Header().Set("Content-Type", "text/plain")
	}
}

// write and fail send an answer. That the client is gone by then is its own affair.
func (o *options) write(w http.ResponseWriter, out result) {
	o.header(w)
	if o.asText {
		out.text(w, o)
		return
	}
	_ = json.NewEncoder(w).Encode(out)
}

func (o *options) fail(w http.ResponseWriter, err error) {
	o.header(w)
	w.WriteHeader(http.StatusInternalServerError)
	if o.asText {
		_, _ = io.WriteString(w, err.Error())
		return
	}
	_ = json.NewEncoder(w).Encode(struct {
		Message string
		Code    int // 0: the command failed
		Type    string
	}{err.Error(), 0, "error"})
}
