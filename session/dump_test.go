package session

import "fmt"

func (w *world) dump() {
	s := w.s
	f := &s.search
	fmt.Printf("only=%v k=%d budget=%d held=%d now=%v wake=%v\n", s.rules.only, s.rules.k, s.budget, s.held, w.now, s.wake())
	fmt.Printf("search fresh=%d owed=%d spent=%d rounds=%d pauses=%d sampled=%v finding=%v exh=%v rot=%v rotAt=%v settle=%v used=%v\n", f.fresh.live, f.owed.live, f.spent.live, f.rounds, len(f.pauses), f.sampled, f.finding, f.exhausted, f.rotation, f.rotateAt, f.settleAt, s.used)
	for i, p := range s.peers {
		r := w.peers[p.id]
		fmt.Printf("peer %d %s conn=%v inUse=%v cand=%v named=%v left=%v err=%v load=%d out=%d hits=%d streak=%d late=%v", i, p.id, p.connected, p.inUse, p.candidate, p.named, p.left, p.err, p.load, p.out, p.hits, p.streak, p.view.Late)
		if r != nil {
			fmt.Printf(" | remote conn=%v wants=%d reach=%v interested=%v", r.connected, len(r.wants), r.reachable, w.interested[p.id])
		}
		fmt.Println()
	}
	n := 0
	for _, x := range s.wants {
		if n++; n > 4 {
			break
		}
		fmt.Printf("want %s stage=%d calls=%v at=%v known=%v\n", x.cid, x.stage, x.calls, x.at, x.known)
		for _, k := range x.known {
			r := w.peers[s.peers[k.peer].id]
			fmt.Printf("   %s has=%v want=%+v\n", r.id, r.has[x.cid], r.wants[x.cid])
		}
	}
	for id, c := range s.calls {
		fmt.Printf("call %d left=%d queue=%d local=%d inTurn=%v inFlight=%d ready=%d fin=%v affords=%v\n", id, c.left, len(c.queue.items), len(c.local.items), c.inTurn, c.inFlight, c.ready, c.finished, s.affords(c))
	}
}
