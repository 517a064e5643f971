package souk

import "github.com/prometheus/client_golang/prometheus"

// The actor "session" stands for all sessions that are open: what waits is a sum,
// the other numbers are those of the busiest.
var (
	busyDesc       = desc("actor_busy_seconds_total", "Time an actor spent at work: its rate is the actor's saturation.", "actor")
	saturationDesc = desc("actor_saturation_ratio", "Which part of the last 10 s an actor was at work. Near 1 it holds up those that wait for it.", "actor")
	depthDesc      = desc("actor_inbox_depth", "Requests that wait for an actor.", "actor")
	roomDesc       = desc("actor_inbox_capacity", "For how many requests an actor has room: who sends more waits.", "actor")
	highDesc       = desc("actor_inbox_high_water", "The most requests that waited for an actor, since the start.", "actor")
	oldestDesc     = desc("actor_inbox_oldest_seconds", "For how long at most the oldest request has waited. If it only grows, the actor hangs: fetch /debug/bundle before a restart.", "actor")
	panicsDesc     = desc("panics_total", "Panics recovered, by the actor or what works for it. Each is a bug, here or in the host, store or hook of the embedder: the log has the stack.", "actor")
	sessionsDesc   = desc("sessions", "Sessions that are open, with the one of calls without a session.")
	openedDesc     = desc("sessions_opened_total", "Sessions that were opened.")
	restartsDesc   = desc("session_restarts_total", "How often the session of calls without one was replaced after it broke.")

	actorDescs = []*prometheus.Desc{
		busyDesc, saturationDesc, depthDesc, roomDesc, highDesc, oldestDesc, panicsDesc, sessionsDesc, openedDesc, restartsDesc,
	}
)

func (m metrics) collectActors(out chan<- prometheus.Metric) {
	for _, a := range m.x.Actors() {
		if a.Name != sessionActor { // Whose sum falls when one ends.
			count(out, busyDesc, a.Busy.Seconds(), a.Name)
		}
		gauge(out, saturationDesc, a.Saturation10s, a.Name)
		gauge(out, depthDesc, a.Depth, a.Name)
		gauge(out, roomDesc, a.Capacity, a.Name)
		gauge(out, highDesc, a.HighWater, a.Name)
		gauge(out, oldestDesc, a.Oldest.Seconds(), a.Name)
	}
	for where, n := range m.x.panics.counts() {
		count(out, panicsDesc, n, where)
	}
}

func (m metrics) collectSessions(out chan<- prometheus.Metric) {
	m.x.mu.Lock()
	open, opened, restarts := len(m.x.sessions), m.x.opened, m.x.restarts
	m.x.mu.Unlock()
	gauge(out, sessionsDesc, open)
	count(out, openedDesc, opened)
	count(out, restartsDesc, restarts)
}

// sessionActor is what the sessions are called together.
const sessionActor = "session"

func (x *Exchange) actors() map[string]Actor {
	all := map[string]Actor{
		"blockrouter": x.blocks, "peerrouter": x.peers, "wantmanager": x.wants,
		"engine": x.engine, "ledger": x.ledger, "providers": x.providers, "announcer": x.announcer, "trackers": x.trackers,
	}
	if x.tracker != nil {
		all["tracker"] = x.tracker
	}
	x.addActors(all)
	return all
}
