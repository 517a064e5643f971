package control

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"sync"

	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"

	"github.com/souk-p2p/souk/cmd/node/internal/node"
)

// maxSessions is the most sessions that are open at the same time. Each holds a
// connection, so it stays below the usual limit of 1,024 open files.
const maxSessions = 256

// sessionRequest is the body of POST /v2/sessions.
type sessionRequest struct {
	Peers     []string `json:"peers,omitempty"` // multiaddrs that end in /p2p/ID
	Namespace string   `json:"namespace,omitempty"`
	Trackers  []string `json:"trackers,omitempty"` // as Peers
}

func (r *sessionRequest) source() (from node.Source, err error) {
	from.Namespace = r.Namespace
	if from.Peers, err = parsePeers(r.Peers); err == nil {
		from.Trackers, err = parsePeers(r.Trackers)
	}
	return from, err
}

// sessionInfo is its answer, which stays open as long as the session.
type sessionInfo struct {
	ID string `json:"id"`
}

func (s *Server) openSession(w http.ResponseWriter, r *http.Request) error {
	asked, err := request[sessionRequest](w, r)
	if err != nil {
		return err
	}
	from, err := asked.source()
	if err != nil {
		return badRequest(err)
	}
	fetcher, err := s.node.Fetch(r.Context(), from)
	if err != nil {
		return err
	}
	defer fetcher.Close()
	session, err := s.sessions.add(r.Context(), fetcher)
	if err != nil {
		return err
	}
	defer s.sessions.end(session)
	reply(w, sessionInfo{ID: session.id})
	if err := http.NewResponseController(w).Flush(); err != nil {
		return nil
	}
	<-r.Context().Done()
	return nil
}

func parsePeers(texts []string) ([]peer.AddrInfo, error) {
	addrs := make([]ma.Multiaddr, len(texts))
	for i, text := range texts {
		a, err := ma.NewMultiaddr(text)
		if err != nil {
			return nil, fmt.Errorf("peer %q: %w", text, err)
		}
		addrs[i] = a
	}
	return node.Peers(addrs...)
}

// sessionTable holds the sessions that are open.
type sessionTable struct {
	mu   sync.Mutex
	open map[string]*openSession
}

// openSession is one client's session. It ends with its context; its fetches
// are counted, so that the fetcher is closed after the last of them.
type openSession struct {
	id      string
	ctx     context.Context
	fetcher node.Fetcher
	fetches sync.WaitGroup
}

func newSessionTable() *sessionTable {
	return &sessionTable{open: make(map[string]*openSession)}
}

func (t *sessionTable) add(ctx context.Context, f node.Fetcher) (*openSession, error) {
	s := &openSession{id: rand.Text(), ctx: ctx, fetcher: f}
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.open) >= maxSessions {
		return nil, &Error{Code: CodeBusy, Message: fmt.Sprintf("%d commands are fetching already: try again later", maxSessions)}
	}
	t.open[s.id] = s
	return s, nil
}

// enter finds a session for one fetch, which ends with leave.
func (t *sessionTable) enter(id string) (*openSession, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s, ok := t.open[id]
	if !ok {
		return nil, &Error{Code: CodeNotFound, Message: "the session has ended"}
	}
	s.fetches.Add(1) // never beside the Wait of end, which comes after the removal
	return s, nil
}

func (s *openSession) leave() { s.fetches.Done() }

// end removes a session whose context has ended and waits for its fetches.
func (t *sessionTable) end(s *openSession) {
	t.mu.Lock()
	delete(t.open, s.id)
	t.mu.Unlock()
	s.fetches.Wait()
}
