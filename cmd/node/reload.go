package main

import (
	"context"
	"os"
	"os/signal"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"

	"go.uber.org/zap"

	"github.com/souk-p2p/souk/cmd/node/internal/config"
	"github.com/souk-p2p/souk/cmd/node/internal/logs"
	"github.com/souk-p2p/souk/cmd/node/internal/node"
)

// running is a node that runs, with what a reload can change about it.
type running struct {
	node    *node.Online
	logs    *logs.Logs
	manager *supervisor // is told
}

// reloadable are settings that can change while the node runs.
type reloadable struct {
	keys []string
	// apply gives the node what was planned. It is called once when one of the keys
	// has changed, or several. With an error nothing may have changed.
	apply func(*running, *plan) error
	// files are those that the settings name. What they say may have changed though
	// their names have not, so with any of them apply is called each time. May be nil.
	files func(*runOptions) []string
}

// read lists the files that are read anew.
func (r *reloadable) read(p *plan) []string {
	if r.files == nil {
		return nil
	}
	return r.files(p.options)
}

// reloads are all settings that can. Those of other keys wait for the next start.
var reloads = []reloadable{
	{keys: []string{"log", "log-format"}, apply: applyLog},
	{keys: []string{"allow-peers", "peer", "trackers"}, apply: applyNeighbours},
	{keys: []string{"upload-rate", "upload-rate-per-peer", "download-rate", "download-rate-per-peer"}, apply: applyRates},
	{keys: []string{"access-rules"}, apply: applyAccess, files: func(o *runOptions) []string { return o.accessRules }},
	{keys: []string{"storage-max", "storage-high"}, apply: applyQuota},
}

func applyLog(r *running, p *plan) error {
	r.logs.Set(p.options.levels, p.options.format)
	return nil
}

// isReloadable tells whether a setting can change while the node runs.
func isReloadable(key string) bool {
	return slices.ContainsFunc(reloads, func(r reloadable) bool { return slices.Contains(r.keys, key) })
}

// reloader reads the settings again when the process gets a SIGHUP.
type reloader struct {
	from    sources
	log     *zap.Logger
	signals chan os.Signal
	ctx     context.Context // ends with stop
	cancel  context.CancelFunc
	work    sync.WaitGroup

	settings atomic.Pointer[config.Settings] // what the node uses; the goroutine replaces them
}

// newReloader takes signals from now on, so that an early one does not end the
// process, and heeds them once the node runs. It must be stopped.
func newReloader(p *plan, from sources, log *zap.Logger) *reloader {
	r := &reloader{from: from, log: log.Named("config"), signals: make(chan os.Signal, 1)}
	r.settings.Store(p.settings)
	r.ctx, r.cancel = context.WithCancel(context.Background())
	signal.Notify(r.signals, syscall.SIGHUP)
	return r
}

// current are the settings that the node uses.
func (r *reloader) current() []config.Setting { return r.settings.Load().All() }

// begin heeds the signals of a node that runs.
func (r *reloader) begin(n *running) {
	r.work.Go(func() {
		for {
			select {
			case <-r.signals:
				n.manager.reloading()
				r.reload(n)
				n.manager.ready()
			case <-r.ctx.Done():
				return
			}
		}
	})
}

func (r *reloader) stop() {
	signal.Stop(r.signals)
	r.cancel()
	r.work.Wait()
}

// reload applies what has changed in the file. Flags and environment stay as they
// were when the process started. Unless everything is right nothing changes.
func (r *reloader) reload(n *running) {
	next, err := r.plan()
	if err != nil {
		r.log.Error("settings not reloaded, nothing has changed", zap.Error(err))
		return
	}
	changed := r.settings.Load().Changes(next.settings)
	for _, one := range reloads {
		keys := slices.DeleteFunc(slices.Clone(changed), func(key string) bool { return !slices.Contains(one.keys, key) })
		files := one.read(next)
		if len(keys) == 0 && len(files) == 0 {
			continue
		}
		if err := one.apply(n, next); err != nil {
			r.log.Error("settings not applied", zap.Strings("keys", keys), zap.Error(err))
			continue
		}
		r.settings.Store(r.settings.Load().With(next.settings, keys...))
		r.tell("setting applied", keys, next.settings)
		if len(files) > 0 {
			r.log.Warn("files read again", zap.Strings("keys", one.keys), zap.Strings("files", files))
		}
	}
	r.tell("setting needs a restart", slices.DeleteFunc(slices.Clone(changed), isReloadable), next.settings)
	if len(changed) == 0 {
		r.log.Warn("settings read, none has changed")
	}
}

// tell logs what became of settings. It warns, because that is the usual level,
// and whoever sent the signal waits for an answer.
func (r *reloader) tell(became string, keys []string, next *config.Settings) {
	for _, key := range keys {
		s, _ := next.Get(key)
		r.log.Warn(became, zap.String("key", key), zap.String("value", s.Text()))
	}
}

// plan is what a start with the same command line would use.
func (r *reloader) plan() (*plan, error) {
	var o runOptions
	flags := o.flagSet()
	if err := r.settings.Load().Carry(flags); err != nil {
		return nil, err
	}
	return o.settle(flags, r.from)
}
