package main

import (
	"net/http"
	"runtime"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/souk-p2p/souk"
)

// newMetrics returns the registry behind /metrics, with what is told of the process
// and of what it was built from. The exchange adds its own.
func newMetrics() *prometheus.Registry {
	r := prometheus.NewRegistry()
	build := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "souk_build_info", Help: "What runs, in labels; always 1.",
		ConstLabels: prometheus.Labels{"version": release(), "revision": revision(), "go": runtime.Version()},
	}, func() float64 { return 1 })
	r.MustRegister(build, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

// measured are the options of an exchange that tells the registry what it does.
func (o *pageOptions) measured(r *prometheus.Registry) []souk.Option {
	opts := []souk.Option{souk.WithRegisterer(r)}
	if o.kuboMetrics {
		opts = append(opts, souk.WithKuboMetrics())
	}
	return opts
}

// mostScrapes is more than there are Prometheus servers that watch a node.
const mostScrapes = 4

// metricsHandler answers at /metrics. What cannot be gathered is left out: the rest
// matters most when something is wrong.
func metricsHandler(r *prometheus.Registry) http.Handler {
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{
		ErrorHandling: promhttp.ContinueOnError, MaxRequestsInFlight: mostScrapes, EnableOpenMetrics: true,
	})
}
