package control

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"

	"github.com/souk-p2p/souk/cmd/node/internal/node"
)

// The codes of an [Error].
const (
	CodeBadRequest  = "bad_request"  // the call makes no sense
	CodeUnknownCall = "unknown_call" // this version of the API does not have the call
	CodeNotFound    = "not_found"    // block, session or ledger
	CodeUnreachable = "unreachable"  // no peer that was named answers
	CodeTimeout     = "timeout"
	CodeTooLarge    = "too_large" // a block or a request is over its limit
	CodeBusy        = "busy"      // too many sessions are open
	CodeDenied      = "denied"    // a file, or somebody who was asked, does not allow it
	CodeCancelled   = "cancelled" // the node is stopping
	CodeFull        = "full"      // the storage quota
	CodePinned      = "pinned"    // a block that was to be removed is a root
	CodeInternal    = "internal"
)

var statuses = map[string]int{
	CodeBadRequest:  http.StatusBadRequest,
	CodeUnknownCall: http.StatusNotFound,
	CodeNotFound:    http.StatusNotFound,
	CodeUnreachable: http.StatusBadGateway,
	CodeTimeout:     http.StatusGatewayTimeout,
	CodeTooLarge:    http.StatusRequestEntityTooLarge,
	CodeBusy:        http.StatusServiceUnavailable,
	CodeDenied:      http.StatusForbidden,
	CodeCancelled:   http.StatusServiceUnavailable,
	CodeFull:        http.StatusInsufficientStorage,
	CodePinned:      http.StatusConflict,
	CodeInternal:    http.StatusInternalServerError,
}

// Error is why a call failed, as it crosses the socket.
type Error struct {
	Code    string `json:"code,omitempty"`
	Message string `json:"message,omitempty"`
}

func (e *Error) Error() string { return e.Message }

// badRequest says that a call makes no sense, and why.
func badRequest(why error) *Error { return &Error{Code: CodeBadRequest, Message: why.Error()} }

// NotFound tells whether what was asked for does not exist.
func (e *Error) NotFound() bool { return e.Code == CodeNotFound }

// Denied tells whether what was asked for is not allowed.
func (e *Error) Denied() bool { return e.Code == CodeDenied }

// Is makes a timeout a context.DeadlineExceeded on this side of the socket, too.
func (e *Error) Is(target error) bool {
	return e.Code == CodeTimeout && target == context.DeadlineExceeded
}

// VersionError says that the node speaks another version of the control API.
type VersionError struct {
	Node   int    // the version of the API that the node speaks
	Souk   string // the release of the node
	Client int
}

func (e *VersionError) Error() string {
	if e.Node > e.Client {
		return fmt.Sprintf("the running node (souk %s) speaks control API v%d and this command v%d: upgrade this souk",
			e.Souk, e.Node, e.Client)
	}
	return fmt.Sprintf("the running node (souk %s) speaks control API v%d and this command v%d: restart the node with this souk",
		e.Souk, e.Node, e.Client)
}

// asError finds the code for an error of the node.
func asError(err error) *Error {
	var already *Error
	if errors.As(err, &already) && already.Code != "" {
		return &Error{Code: already.Code, Message: err.Error()}
	}
	return &Error{Code: codeOf(err), Message: err.Error()}
}

func codeOf(err error) string {
	var missing interface{ NotFound() bool }
	var unreachable *node.UnreachableError
	var tooLong *http.MaxBytesError
	var invalid *node.InvalidError
	var denied interface{ Denied() bool }
	var full *node.FullError
	var root *node.RootError
	switch {
	case errors.As(err, &full):
		return CodeFull
	case errors.As(err, &root):
		return CodePinned
	case errors.As(err, &invalid):
		return CodeBadRequest
	case errors.As(err, &missing) && missing.NotFound():
		return CodeNotFound
	case errors.As(err, &unreachable):
		return CodeUnreachable
	case errors.Is(err, fs.ErrPermission), errors.As(err, &denied) && denied.Denied():
		return CodeDenied
	case errors.As(err, &tooLong):
		return CodeTooLarge
	case errors.Is(err, context.DeadlineExceeded):
		return CodeTimeout
	case errors.Is(err, context.Canceled):
		return CodeCancelled
	default:
		return CodeInternal
	}
}
