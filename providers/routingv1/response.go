package routingv1

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"strings"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/providers/record"
)

const (
	maxResponse = 1 << 20 // bytes of an answer: several hundred providers with many addresses each
	maxEntries  = 1000    // of an answer, whatever is in them; more than any router was seen to list
)

// readProviders calls found for each candidate in an answer, as they come, until
// there are no more or found returns false.
func readProviders(body io.Reader, contentType string, seen record.Scope, found func(peer.AddrInfo) bool) error {
	entries, err := newEntries(body, contentType)
	if err != nil {
		return err
	}
	for n := 0; ; n++ {
		var e entry
		err := entries.next(&e)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil && !isOdd(err):
			return err
		case n == maxEntries:
			return ErrSize
		case err != nil:
			continue
		}
		if p, ok := e.candidate(seen); ok && !found(p) {
			return nil
		}
	}
}

// isOdd tells an entry whose parts are of other types than the schema's from an
// end of the answer: it may be of a schema that is not known here.
func isOdd(err error) bool {
	odd := (*json.UnmarshalTypeError)(nil)
	return errors.As(err, &odd)
}

// entries is what is left of an answer.
type entries struct {
	decoder *json.Decoder
	listed  bool // in an array, and not one after the other
}

// newEntries goes to where the entries begin.
func newEntries(body io.Reader, contentType string) (*entries, error) {
	r := &entries{decoder: json.NewDecoder(&bounded{body, maxResponse})}
	r.decoder.UseNumber() // A number may be larger than a float64.
	media, _, err := mime.ParseMediaType(contentType)
	switch {
	case err != nil || media != typeJSON && media != typeNDJSON:
		return nil, fmt.Errorf("%w: %.100q", ErrContentType, contentType)
	case media == typeNDJSON:
		return r, nil
	}
	r.listed = true
	if err := r.enter(); err != nil {
		return nil, asEncoding(err)
	}
	return r, nil
}

// next reads one entry. At the end the error is io.EOF; when an entry is odd, the
// next one follows.
func (r *entries) next(e *entry) error {
	if r.listed && !r.decoder.More() {
		if _, err := r.decoder.Token(); err != nil {
			return asEncoding(err)
		}
		return io.EOF
	}
	err := r.decoder.Decode(e)
	if err == nil || isOdd(err) || !r.listed && errors.Is(err, io.EOF) {
		return err
	}
	return asEncoding(err)
}

// enter goes to the first element of the array of providers, or to the end of what
// has none.
func (r *entries) enter() error {
	if opened, err := r.open('{'); err != nil {
		return err
	} else if !opened {
		return fmt.Errorf("%w: null", ErrEncoding)
	}
	for r.decoder.More() {
		name, err := r.decoder.Token()
		if err != nil {
			return err
		}
		if name, ok := name.(string); ok && strings.EqualFold(name, "Providers") {
			if opened, err := r.open('['); err != nil || opened {
				return err
			}
			continue // It is null.
		}
		var other json.RawMessage
		if err := r.decoder.Decode(&other); err != nil {
			return err
		}
	}
	return nil
}

// open goes into an object or an array, unless there is null in its place.
func (r *entries) open(d json.Delim) (opened bool, err error) {
	t, err := r.decoder.Token()
	if err == nil && t != nil && t != d {
		err = fmt.Errorf("%w: %v where %v is right", ErrEncoding, t, d)
	}
	return t == d, err
}

// asEncoding says what kind of error it is to read an answer: of its form, or of
// the connection that it comes over, which stays what it is.
func asEncoding(err error) error {
	syntax := (*json.SyntaxError)(nil)
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%w: %w", ErrEncoding, io.ErrUnexpectedEOF)
	case errors.As(err, &syntax):
		return fmt.Errorf("%w: %w", ErrEncoding, err)
	}
	return err
}

// bounded reads so many bytes and then fails, where an io.LimitedReader would
// say that there are no more.
type bounded struct {
	r    io.Reader
	left int
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, ErrSize
	}
	n, err := b.r.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}
