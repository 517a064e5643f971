package main

import (
	"context"

	"github.com/spf13/pflag"

	"github.com/souk-p2p/souk"
	"github.com/souk-p2p/souk/access"
	"github.com/souk-p2p/souk/cmd/node/internal/node"
	"github.com/souk-p2p/souk/rate"
)

// limitOptions say how fast blocks may come and go, and who may have which.
type limitOptions struct {
	upload, uploadPeer     rate.Rate
	download, downloadPeer rate.Rate
	accessRules            []string

	rules *access.Rules // what configure has read; nil without files
}

func (o *limitOptions) flags(f *pflag.FlagSet) {
	f.Var(&o.upload, "upload-rate", "send all peers together at most so much, as 10MB/s or 80Mbit/s; off for no limit")
	f.Var(&o.uploadPeer, "upload-rate-per-peer", "send each peer at most so much")
	f.Var(&o.download, "download-rate", "ask all peers together for at most so much")
	f.Var(&o.downloadPeer, "download-rate-per-peer", "ask each peer for at most so much")
	o.accessFlag(f)
}

func (o *limitOptions) accessFlag(f *pflag.FlagSet) {
	f.StringArrayVar(&o.accessRules, "access-rules", nil, "decide by the rules in this file who may have what, and by its classes who is served how fast; may be repeated")
}

func (o *limitOptions) configure(cfg *node.Config) error {
	if err := o.readRules(); err != nil {
		return err
	}
	up, down := o.rates()
	if !up.None() {
		cfg.Exchange = append(cfg.Exchange, souk.WithUploadRates(up))
	}
	if !down.None() {
		cfg.Exchange = append(cfg.Exchange, souk.WithDownloadRates(down))
	}
	if o.rules != nil {
		cfg.Exchange = append(cfg.Exchange, souk.WithAccessRules(o.rules))
	}
	return nil
}

func (o *limitOptions) readRules() (err error) {
	if len(o.accessRules) == 0 {
		return nil
	}
	if o.rules, err = access.Read(o.accessRules...); err != nil {
		return usagef("--access-rules: %w", err)
	}
	return nil
}

func (o *limitOptions) rates() (up, down rate.Limits) {
	return rate.Limits{Total: o.upload, Peer: o.uploadPeer}, rate.Limits{Total: o.download, Peer: o.downloadPeer}
}

func applyRates(r *running, p *plan) error {
	up, down := p.options.rates()
	return r.node.Exchange.SetRates(context.Background(), up, down)
}

func applyAccess(r *running, p *plan) error {
	return r.node.Exchange.SetAccessRules(context.Background(), p.options.rules)
}
