package main

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/souk-p2p/souk/blockstore"
)

// fullness is a store that knows how full it is.
type fullness interface {
	Usage(ctx context.Context) (blockstore.Usage, error)
}

// storeMetrics tells Prometheus how full a store is.
type storeMetrics struct{ store fullness }

// storePatience is for a store that counts its blocks for the first time, which may
// take longer: until it has, nothing is told of it.
const storePatience = time.Second

var (
	storeBlocksDesc = prometheus.NewDesc("souk_store_blocks", "Blocks in the store.", nil, nil)
	storeBytesDesc  = prometheus.NewDesc("souk_store_bytes", "Bytes of the blocks in the store.", nil, nil)
	storeQuotaDesc  = prometheus.NewDesc("souk_store_quota_bytes", "Bytes that the blocks in the store may take; 0 for no limit.", nil, nil)
)

// Describe implements [prometheus.Collector].
func (m storeMetrics) Describe(out chan<- *prometheus.Desc) {
	out <- storeBlocksDesc
	out <- storeBytesDesc
	out <- storeQuotaDesc
}

// Collect implements [prometheus.Collector].
func (m storeMetrics) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), storePatience)
	defer cancel()
	u, err := m.store.Usage(ctx)
	if err != nil {
		return
	}
	for d, n := range map[*prometheus.Desc]int64{storeBlocksDesc: u.Blocks, storeBytesDesc: u.Bytes, storeQuotaDesc: u.Max} {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(n))
	}
}
