package resolver

import "time"

// fold joins orders for one key that wait behind each other, so that a caller that asks
// again and again costs the state one order a turn. What the orders come to is the same.
// Orders that another request stands between stay apart, and so do those of callers
// that wait for the value.
func fold(waiting []command) []command {
	folded := make([]command, 0, len(waiting))
	var row []order // of orders that follow each other
	for i, req := range waiting {
		p, orders := req.(placed)
		row = append(row, p.orders...)
		if last := i == len(waiting)-1; len(row) > 0 && (last || !orders) {
			folded = append(folded, placed{foldOrders(row)})
			row = nil
		}
		if !orders {
			folded = append(folded, req)
		}
	}
	return folded
}

// foldOrders joins orders for one key, at the place of the first.
func foldOrders(orders []order) []order {
	first := make(map[Key]int, len(orders))
	folded := make([]order, 0, len(orders))
	for _, o := range orders {
		i, before := first[o.key]
		if !before {
			first[o.key] = len(folded)
			folded = append(folded, o)
			continue
		}
		folded[i].join(o)
	}
	return folded
}

// join adds a later order for the same key: the looser bounds count, and an order that
// lets anybody be asked is not restricted by one with targets.
func (o *order) join(later order) {
	o.folded += 1 + later.folded
	if o.attempts == 0 || later.attempts == 0 {
		o.attempts = 0
	} else {
		o.attempts = max(o.attempts, later.attempts)
	}
	if o.deadline.IsZero() || later.deadline.IsZero() {
		o.deadline = time.Time{}
	} else if later.deadline.After(o.deadline) {
		o.deadline = later.deadline
	}
	if o.targeted = o.targeted && later.targeted; o.targeted {
		o.targets = append(o.targets, later.targets...)
	} else {
		o.targets = nil
	}
}
