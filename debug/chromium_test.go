//go:build system

package debug

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/test/eventually"
)

// patience is how long a browser may take to start or to answer on a slow machine.
const patience = eventually.Patience

// chromium is a tab of a headless browser, driven over the pipes of the DevTools
// protocol: messages in JSON that end with a zero byte.
type chromium struct {
	t       *testing.T
	out     *os.File // commands to the browser
	session string

	mu       sync.Mutex
	last     int
	waiting  map[int]chan message
	troubles []string // what the browser complained of: scripts, policy, loading
}

type message struct {
	ID        int             `json:"id,omitempty"`
	Method    string          `json:"method,omitempty"`
	Params    any             `json:"params,omitempty"`
	SessionID string          `json:"sessionId,omitempty"`
	Result    json.RawMessage `json:"result,omitempty"`
	Error     *struct {
		Message string `json:"message"`
	} `json:"error,omitempty"`
}

// browse starts a browser, which ends with the test.
func browse(t *testing.T) *chromium {
	t.Helper()
	path, err := exec.LookPath("chromium")
	require.NoError(t, err, "the tag says that Chromium is installed: make test-system does it")
	fromUs, out, err := os.Pipe()
	require.NoError(t, err)
	in, toUs, err := os.Pipe()
	require.NoError(t, err)
	args := []string{
		"--headless=new", "--remote-debugging-pipe", "--user-data-dir=" + t.TempDir(), "--no-first-run", "--disable-gpu",
		"--disable-dev-shm-usage", "--hide-scrollbars", "--disable-background-networking", "--disable-component-update",
	}
	if os.Geteuid() == 0 {
		args = append(args, "--no-sandbox") // It does not start as root with one.
	}
	cmd := exec.Command(path, append(args, "about:blank")...)
	cmd.ExtraFiles = []*os.File{fromUs, toUs} // 3 and 4
	require.NoError(t, cmd.Start())
	require.NoError(t, errors.Join(fromUs.Close(), toUs.Close()))
	c := &chromium{t: t, out: out, waiting: map[int]chan message{}}
	ended := make(chan struct{})
	go func() { defer close(ended); c.read(in) }()
	t.Cleanup(func() {
		c.session = ""
		c.call("Browser.close", nil, nil)
		<-ended
		_ = cmd.Wait() // How it ends does not matter any more.
		require.NoError(t, errors.Join(out.Close(), in.Close()))
	})
	c.attach()
	return c
}

func (c *chromium) attach() {
	var target struct{ TargetID string }
	c.call("Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	var attached struct{ SessionID string }
	c.call("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &attached)
	c.session = attached.SessionID
	for _, domain := range []string{"Page", "Runtime", "Log", "Network"} {
		c.call(domain+".enable", nil, nil)
	}
}

func (c *chromium) read(in *os.File) {
	out := bufio.NewReader(in)
	for {
		text, err := out.ReadBytes(0)
		if err != nil {
			return
		}
		var m message
		if json.Unmarshal(text[:len(text)-1], &m) != nil {
			continue
		}
		c.mu.Lock()
		if reply, ok := c.waiting[m.ID]; ok {
			reply <- m
			delete(c.waiting, m.ID)
		}
		switch m.Method {
		case "Log.entryAdded", "Runtime.exceptionThrown", "Network.loadingFailed":
			c.troubles = append(c.troubles, fmt.Sprint(m.Method, m.Params))
		}
		c.mu.Unlock()
	}
}

// call sends a command and reads its result.
func (c *chromium) call(method string, params, into any) {
	c.t.Helper()
	reply := make(chan message, 1)
	c.mu.Lock()
	c.last++
	m := message{ID: c.last, Method: method, Params: params, SessionID: c.session}
	c.waiting[m.ID] = reply
	c.mu.Unlock()
	text, err := json.Marshal(m)
	require.NoError(c.t, err)
	_, err = c.out.Write(append(text, 0))
	require.NoError(c.t, err)
	select {
	case m = <-reply:
	case <-time.After(patience):
		require.Fail(c.t, "no answer", method)
	}
	require.Nil(c.t, m.Error, "%s: %+v", method, m.Error)
	if into != nil {
		require.NoError(c.t, json.Unmarshal(m.Result, into))
	}
}

// open loads a page and waits until it is there with its script.
func (c *chromium) open(url string) {
	c.t.Helper()
	c.call("Page.navigate", map[string]any{"url": url}, nil)
	c.until(`document.readyState === "complete" && location.href === ` + quote(url))
}

// eval returns the value of an expression in the page.
func (c *chromium) eval(expression string) any {
	c.t.Helper()
	var got struct {
		Result           struct{ Value any }
		ExceptionDetails any
	}
	c.call("Runtime.evaluate", map[string]any{"expression": expression, "returnByValue": true, "awaitPromise": true}, &got)
	require.Nil(c.t, got.ExceptionDetails, expression)
	return got.Result.Value
}

// until waits for a condition in the page.
func (c *chromium) until(condition string) {
	c.t.Helper()
	eventually.True(c.t, func() bool { is, _ := c.eval(condition).(bool); return is }, condition)
}

func (c *chromium) text(selector string) string {
	c.t.Helper()
	text, _ := c.eval(`[...document.querySelectorAll(` + quote(selector) + `)].map(e => e.innerText).join("|")`).(string)
	return text
}

// screen sets the size of the window and the colours that its user likes.
func (c *chromium) screen(width, height int, scheme string) {
	c.call("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}, nil)
	c.call("Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": scheme}}}, nil)
}

// picture writes what the page looks like into the folder that SOUK_SCREENSHOTS
// names, if it names one.
func (c *chromium) picture(name string) {
	c.t.Helper()
	dir := os.Getenv("SOUK_SCREENSHOTS")
	if dir == "" {
		return
	}
	var shot struct{ Data []byte }
	c.call("Page.captureScreenshot", map[string]any{"format": "png", "captureBeyondViewport": false}, &shot)
	require.NoError(c.t, os.WriteFile(filepath.Join(dir, name+".png"), shot.Data, 0o600))
}

func quote(text string) string {
	out, err := json.Marshal(text)
	if err != nil {
		panic(err)
	}
	return string(out)
}
