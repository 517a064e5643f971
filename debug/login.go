package debug

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	loginPath  = "/debug/login"
	logoutPath = "/debug/logout"
	// A working day. The key of the cookies dies with the process.
	loginTime = 12 * time.Hour
	// maxForm has room for a token of a thousand characters and a path.
	maxForm = 8 << 10
)

// gate lets in who knows the token: programs with a header, people with a cookie
// that a form gives for the token.
type gate struct {
	token  [sha256.Size]byte
	key    [32]byte // signs cookies
	cookie string
	secure bool // over TLS
	now    func() time.Time
}

func newGate(token string, secure bool, at net.Addr) *gate {
	g := &gate{token: sha256.Sum256([]byte(token)), cookie: "souk_debug", secure: secure, now: time.Now}
	if tcp, ok := at.(*net.TCPAddr); ok { // A browser sends a cookie to all ports of a host.
		g.cookie += "_" + strconv.Itoa(tcp.Port)
	}
	_, _ = rand.Read(g.key[:]) // It never fails.
	return g
}

// require lets requests through to h that come with the token or a cookie. What
// shows nothing of the node is open: the form, how it looks, and whether the node
// lives.
func (g *gate) require(h http.Handler) http.Handler {
	mux := http.NewServeMux()
	for _, open := range []string{"GET /livez", "GET /readyz", "GET /debug/style.css", "GET /debug/souk.js", "GET /debug/icon.svg"} {
		mux.Handle(open, h)
	}
	mux.HandleFunc("GET "+loginPath, func(w http.ResponseWriter, r *http.Request) {
		writeLogin(w, r.URL.Query().Get("next"), http.StatusOK, "")
	})
	mux.HandleFunc("POST "+loginPath, g.login)
	mux.HandleFunc("POST "+logoutPath, g.logout)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		switch {
		case g.hasToken(r):
			h.ServeHTTP(w, r)
		case g.hasCookie(r):
			h.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), loggedIn{}, true)))
		default:
			refuse(w, r)
		}
	})
	return mux
}

// loggedIn marks the context of a request that came with a cookie.
type loggedIn struct{}

// refuse sends people to the form and tells programs what is missing.
func refuse(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet && wantsHTML(r) {
		http.Redirect(w, r, loginPath+"?next="+url.QueryEscape(r.URL.RequestURI()), http.StatusSeeOther)
		return
	}
	w.Header().Set("WWW-Authenticate", `Bearer realm="souk"`)
	fail(w, r, http.StatusUnauthorized, "a token is needed: Authorization: Bearer TOKEN")
}

func (g *gate) hasToken(r *http.Request) bool {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	return strings.EqualFold(scheme, "Bearer") && g.is(token)
}

func (g *gate) hasCookie(r *http.Request) bool {
	cookie, err := r.Cookie(g.cookie)
	return err == nil && g.signed(cookie.Value)
}

// is compares in a time that tells nothing of the token, not even its length.
func (g *gate) is(token string) bool {
	sum := sha256.Sum256([]byte(token))
	return subtle.ConstantTimeCompare(sum[:], g.token[:]) == 1
}

func (g *gate) login(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		fail(w, r, http.StatusBadRequest, err.Error())
		return
	}
	if !g.is(r.PostForm.Get("token")) {
		writeLogin(w, r.PostForm.Get("next"), http.StatusForbidden, "That is not the token.")
		return
	}
	http.SetCookie(w, &http.Cookie{
		Name: g.cookie, Value: g.sign(g.now().Add(loginTime)), Path: "/", MaxAge: int(loginTime.Seconds()),
		Secure: g.secure, HttpOnly: true, SameSite: http.SameSiteStrictMode,
	})
	http.Redirect(w, r, localPath(r.PostForm.Get("next")), http.StatusSeeOther)
}

func (g *gate) logout(w http.ResponseWriter, r *http.Request) {
	http.SetCookie(w, &http.Cookie{Name: g.cookie, Path: "/", MaxAge: -1, Secure: g.secure, HttpOnly: true, SameSite: http.SameSiteStrictMode})
	http.Redirect(w, r, loginPath, http.StatusSeeOther)
}

// sign makes the value of a cookie that is good until the given time.
func (g *gate) sign(until time.Time) string {
	text := strconv.FormatInt(until.Unix(), 10)
	return text + "." + hex.EncodeToString(g.mac(text))
}

func (g *gate) signed(value string) bool {
	text, sum, _ := strings.Cut(value, ".")
	got, err := hex.DecodeString(sum)
	if err != nil || !hmac.Equal(got, g.mac(text)) {
		return false
	}
	until, err := strconv.ParseInt(text, 10, 64)
	return err == nil && g.now().Unix() < until
}

func (g *gate) mac(text string) []byte {
	h := hmac.New(sha256.New, g.key[:])
	h.Write([]byte(text))
	return h.Sum(nil)
}

// localPath is where to go after the form: a path of this server, never another
// host, which "//host" and "/\host" would be to a browser.
func localPath(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.Scheme != "" || u.Host != "" || !strings.HasPrefix(u.Path, "/") ||
		strings.HasPrefix(u.Path, "//") || strings.ContainsAny(next, "\\\r\n\t") {
		return "/debug/"
	}
	return u.RequestURI()
}

// entrance is the page that asks for the token.
type entrance struct {
	Next, Wrong string
	page
}

func writeLogin(w http.ResponseWriter, next string, status int, wrong string) {
	writeHTML(w, status, "login.html", entrance{Next: localPath(next), Wrong: wrong, page: page{Title: "Log in", query: &query{}}})
}
