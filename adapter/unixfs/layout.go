package unixfs

import (
	"context"
)

// linksPerNode is the width of Kubo's balanced layout: 8 KiB of links of 47
// bytes each (DefaultLinksPerBlock in boxo).
const linksPerNode = 174

// layout builds the balanced tree over the leaves of one file, holding no more
// than the unfinished node of each level.
type layout struct {
	out    *batcher
	levels [][]link
}

// add appends a leaf.
func (t *layout) add(ctx context.Context, leaf link) error { return t.push(ctx, 0, leaf) }

func (t *layout) push(ctx context.Context, level int, l link) error {
	if level == len(t.levels) {
		t.levels = append(t.levels, make([]link, 0, linksPerNode))
	}
	t.levels[level] = append(t.levels[level], l)
	if len(t.levels[level]) < linksPerNode {
		return nil
	}
	return t.raise(ctx, level)
}

// raise turns what a level holds into one node, which joins the level above.
func (t *layout) raise(ctx context.Context, level int) error {
	links := t.levels[level]
	b, err := encodeFile(links)
	if err != nil {
		return err
	}
	if err := t.out.put(ctx, b); err != nil {
		return err
	}
	up := link{cid: b.Cid(), tsize: total(b, links)}
	for _, l := range links {
		up.size += l.size
	}
	t.levels[level] = links[:0]
	return t.push(ctx, level+1, up)
}

// root closes every level, from the leaves up, and returns the only link that
// is left. At least one leaf must have been added.
func (t *layout) root(ctx context.Context) (link, error) {
	for level := 0; ; level++ {
		top := level == len(t.levels)-1
		if top && len(t.levels[level]) == 1 {
			return t.levels[level][0], nil
		}
		if len(t.levels[level]) == 0 {
			continue
		}
		if err := t.raise(ctx, level); err != nil {
			return link{}, err
		}
	}
}
