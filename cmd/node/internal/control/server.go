package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"go.uber.org/zap"

	"github.com/souk-p2p/souk/cmd/node/internal/node"
)

const (
	// maxRequest bounds a JSON body: maxWanted CIDs of the longest kind.
	maxRequest = 8 << 20
	// A client that connects and says nothing is forgotten after a while.
	headerTimeout = 10 * time.Second
	idleTimeout   = 2 * time.Minute
)

// versionInfo is the answer to GET /version.
type versionInfo struct {
	API  int    `json:"api"`
	Souk string `json:"souk"`
}

// Server gives the users of a repository's socket access to a node.
type Server struct {
	node     node.Node
	release  string
	log      *zap.Logger
	http     *http.Server
	cancel   context.CancelFunc
	sessions *sessionTable
}

// NewServer returns a server for a node, which stays the caller's. The release
// is what clients of another version are told.
func NewServer(n node.Node, release string, log *zap.Logger) *Server {
	s := &Server{node: n, release: release, log: log, sessions: newSessionTable()}
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	s.http = &http.Server{
		Handler:           s.routes(),
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ErrorLog:          zap.NewStdLog(log),
	}
	return s
}

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /version", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, versionInfo{API: Version, Souk: s.release})
	})
	mux.HandleFunc("GET /v2/node", answers(s, s.node.Info))
	mux.HandleFunc("GET /v2/ledgers", answers(s, s.node.Ledgers))
	mux.HandleFunc("GET /v2/ledgers/{peer}", s.call(s.getLedger))
	mux.HandleFunc("POST /v2/blocks", s.call(s.putBlocks))
	mux.HandleFunc("POST /v2/sessions", s.call(s.openSession))
	mux.HandleFunc("POST /v2/sessions/{id}/blocks", s.call(s.fetchBlocks))
	mux.HandleFunc("GET /v2/announcements", answers(s, s.node.Announced))
	mux.HandleFunc("GET /v2/trackers", answers(s, s.node.Trackers))
	mux.HandleFunc("POST /v2/announcements", obeys(s, s.announce))
	mux.HandleFunc("POST /v2/withdrawals", obeys(s, s.withdraw))
	mux.HandleFunc("POST /v2/searches", s.call(s.find))
	s.insideRoutes(mux)
	s.healthRoutes(mux)
	s.loggingRoutes(mux)
	s.settingsRoutes(mux)
	s.storageRoutes(mux)
	s.quarantineRoutes(mux)
	s.documentRoutes(mux)
	mux.HandleFunc("/", s.call(func(_ http.ResponseWriter, r *http.Request) error {
		return &Error{Code: CodeUnknownCall,
			Message: fmt.Sprintf("control API v%d has no %s %s", Version, r.Method, r.URL.Path)}
	}))
	return mux
}

// Serve answers calls on the listener, which it closes, until the server is
// closed.
func (s *Server) Serve(l net.Listener) error {
	if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("control socket: %w", err)
	}
	return nil
}

// Close ends all sessions and fetches, gives calls until the end of ctx to
// finish, and then cuts them off.
func (s *Server) Close(ctx context.Context) error {
	s.cancel()
	if err := s.http.Shutdown(ctx); err != nil {
		return s.http.Close()
	}
	return nil
}

// call turns what a handler returns before it wrote anything into an answer.
func (s *Server) call(handle func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		err := handle(w, r)
		if err == nil {
			return
		}
		failure := asError(err)
		s.log.Debug("call failed", zap.String("method", r.Method), zap.String("path", r.URL.Path), zap.Error(err))
		w.Header().Set("Content-Type", jsonType)
		w.WriteHeader(statuses[failure.Code])
		json.NewEncoder(w).Encode(failure) // who does not read it has left
	}
}

// answers is the handler of a call that answers with what a method of the node returns.
func answers[V any](s *Server, ask func(context.Context) (V, error)) http.HandlerFunc {
	return s.call(func(w http.ResponseWriter, r *http.Request) error { return answer(w)(ask(r.Context())) })
}

// obeys is the handler of a call with a JSON body whose answer is empty.
func obeys[Q any](s *Server, do func(context.Context, Q) error) http.HandlerFunc {
	return s.call(func(w http.ResponseWriter, r *http.Request) error {
		asked, err := request[Q](w, r)
		if err == nil {
			err = do(r.Context(), asked)
		}
		if err == nil {
			w.WriteHeader(http.StatusNoContent)
		}
		return err
	})
}

// answer replies with what a method of the node returns.
func answer(w http.ResponseWriter) func(v any, err error) error {
	return func(v any, err error) error {
		if err == nil {
			reply(w, v)
		}
		return err
	}
}

// reply answers with v as JSON. What fails here has no reader.
func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", jsonType)
	json.NewEncoder(w).Encode(v)
}

// request reads a JSON body.
func request[Q any](w http.ResponseWriter, r *http.Request) (asked Q, err error) {
	err = json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest)).Decode(&asked)
	var tooLong *http.MaxBytesError
	switch {
	case err == nil:
		// The connection is watched for its end only after the end of the body.
		_, err = io.Copy(io.Discard, r.Body)
		return asked, err
	case errors.As(err, &tooLong):
		return asked, err
	default:
		return asked, badRequest(fmt.Errorf("read the request: %w", err))
	}
}

func (s *Server) getLedger(w http.ResponseWriter, r *http.Request) error {
	p, err := peer.Decode(r.PathValue("peer"))
	if err != nil {
		return badRequest(err)
	}
	return answer(w)(s.node.Ledger(r.Context(), p))
}
