package debug

import (
	"context"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk"
	"github.com/souk-p2p/souk/resolver"
	"github.com/souk-p2p/souk/resolver/server"
)

// ServiceSource tells which protocols of others run on the exchange. A
// *[souk.Exchange] is one.
type ServiceSource interface {
	Services() []souk.Running
}

// ResolverSource tells of a resolver. A *[resolver.Resolver] is one; the page is about
// each service that belongs to one.
type ResolverSource interface {
	Stat(ctx context.Context) (resolver.Stat, error)
	Fetches(ctx context.Context, after uint64, most int) (resolver.FetchPage, error)
	Peers(ctx context.Context, after peer.ID, most int) (resolver.PeerPage, error)
}

// mostResolved is how many fetches and peers of a resolver an answer has: as many
// as of wants.
const mostResolved = 1000

// resolving is a resolver with what it fetches and of whom.
type resolving struct {
	Name    string             `json:"name"`
	Stat    resolver.Stat      `json:"stat"`
	Fetches resolver.FetchPage `json:"fetches"`
	Peers   resolver.PeerPage  `json:"peers"`
}

// resolvers is the page of them.
type resolvers struct {
	Resolvers []resolving `json:"resolvers"`
	page
}

func (p *pages) resolver(ctx context.Context, q *query, of page) (any, error) {
	all, err := p.resolvings(ctx, min(q.limit, mostResolved))
	return resolvers{all, of}, err
}

// resolvings returns the resolvers that run. One that ends meanwhile is left out.
func (p *pages) resolvings(ctx context.Context, most int) ([]resolving, error) {
	all := []resolving{}
	for _, s := range p.Services.Services() {
		source, ok := s.Owner.(ResolverSource)
		if !ok {
			continue
		}
		r, err := look(ctx, s.Name, source, most)
		switch {
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case err == nil:
			all = append(all, r)
		}
	}
	return all, nil
}

func look(ctx context.Context, name string, source ResolverSource, most int) (r resolving, err error) {
	r.Name = name
	if r.Stat, err = source.Stat(ctx); err != nil {
		return r, err
	}
	if r.Fetches, err = source.Fetches(ctx, 0, most); err != nil {
		return r, err
	}
	r.Peers, err = source.Peers(ctx, "", most)
	return r, err
}

// Served are the outcomes of the requests of others, by their names.
func (r resolving) Served() map[string]uint64 {
	by := map[string]uint64{}
	if r.Stat.Serving != nil {
		for o, n := range r.Stat.Serving.Outcomes {
			by[server.Outcome(o).String()] = n
		}
	}
	return by
}

// busy is how many requests of others had no answer although there was no reason in
// what they asked.
func (r resolving) busy() (n uint64) {
	for _, o := range []server.Outcome{server.OutcomeFull, server.OutcomeLate, server.OutcomeFailed} {
		n += r.Stat.Serving.Outcomes[o]
	}
	return n
}

// Asked is what became of the requests of this node, in the order of a request.
func (r resolving) Asked() []tally {
	c := r.Stat.Counts
	return []tally{
		{"Answered with data", c.Answers}, {"Had no value", c.None}, {"Refused", c.Refused}, {"Busy", c.Busy}, {"Changed", c.Changed},
		{"No answer in time", c.Timeouts}, {"Could not be sent", c.Unsent}, {"Peer had gone", c.Parted}, {"No room for the data", c.Dropped},
	}
}

// Faults are what peers sent that was wrong.
func (r resolving) Faults() []tally {
	c := r.Stat.Counts
	return []tally{
		{"Values refused by the application", c.Invalid}, {"Against the rules", c.Malformed}, {"Answers to nothing", c.Strays},
	}
}

// tally is a row of a table.
type tally struct {
	What string
	N    uint64
}

// resolvers tells of those that cannot do what they are there for.
func (f *findings) resolvers(all []resolving) {
	const page = "/debug/resolver"
	for _, r := range all {
		name := r.Name
		if r.Stat.Peers == 0 && r.Stat.Pending > 0 {
			f.add(warn, page, "%s has nobody to ask for %s.", name, plural(r.Stat.Pending, "key"))
		}
		if n := orphans(r.Fetches.Fetches); n > 0 {
			f.add(warn, page, "%s has %s without a target that may be asked.", name, plural(n, "key"))
		}
		if r.Stat.Blocked > 0 {
			f.add(note, page, "%s has blocked %s for what was sent.", name, plural(r.Stat.Blocked, "peer"))
		}
		if n := r.Stat.Counts.Unjudged; n > 0 {
			f.add(warn, page, "%s has an application that panicked at %s.", name, plural(int(n), "value"))
		}
		if s := r.Stat.Serving; s != nil && s.Oversize > 0 {
			f.add(warn, page, "%s could not serve %s: they are larger than it may serve.", name, plural(int(s.Oversize), "value"))
		}
		if s := r.Stat.Serving; s != nil && r.busy() > 0 {
			f.add(note, page, "%s had no time for %s of others.", name, plural(int(r.busy()), "request"))
		}
	}
}

// forTargets is what a fetch waits for that may ask nobody, as resolver.FetchStat says it.
const forTargets = "for new targets"

// orphans is how many fetches wait for targets that their caller would have to name.
func orphans(fetches []resolver.FetchStat) (n int) {
	for _, of := range fetches {
		if of.Waits == forTargets {
			n++
		}
	}
	return n
}
