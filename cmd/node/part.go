package main

import (
	"github.com/spf13/pflag"

	"github.com/souk-p2p/souk/download/policy"
)

// partOptions say which part of a directory a verb is about.
type partOptions struct{ only, except []string }

func (o *partOptions) flags(f *pflag.FlagSet) {
	f.StringArrayVar(&o.only, "only", nil, "only paths that this filter matches, as prefix:utf8:2024/ or exact:utf8:a.txt; may be repeated")
	f.StringArrayVar(&o.except, "except", nil, "no path that this filter matches; may be repeated")
}

// wanted returns which paths are wanted, and nil for all of them.
func (o *partOptions) wanted() (func(path string, below bool) bool, error) {
	if len(o.only)+len(o.except) == 0 {
		return nil, nil
	}
	only, err := parseFilters("--only", o.only, policy.NothingExcept)
	if len(o.only) == 0 {
		only = policy.Everything()
	}
	if err != nil {
		return nil, err
	}
	except, err := parseFilters("--except", o.except, policy.EverythingExcept)
	if err != nil {
		return nil, err
	}
	return func(path string, below bool) bool {
		if below {
			dir := []byte(path + "/")
			return only.Reaches(dir) && except.Reaches(dir)
		}
		return only.Covers([]byte(path)) && except.Covers([]byte(path))
	}, nil
}

func parseFilters(flag string, texts []string, made func(...policy.Filter) (policy.Policy, error)) (policy.Policy, error) {
	filters := make([]policy.Filter, len(texts))
	for i, text := range texts {
		f, err := policy.ParseFilter(text)
		if err != nil {
			return policy.Policy{}, usagef("%s: %w", flag, err)
		}
		filters[i] = f
	}
	p, err := made(filters...)
	if err != nil {
		return p, usagef("%s: %w", flag, err)
	}
	return p, nil
}
