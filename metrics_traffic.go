package souk

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"
)

var (
	blocksDesc    = desc("blocks_total", "Blocks that came from peers, duplicates included, or were accepted by a stream to one.", "direction")
	bytesDesc     = desc("block_bytes_total", "Bytes of the blocks that came, duplicates included, or were sent.", "direction")
	classDesc     = desc("class_block_bytes_total", "Bytes of blocks by the class that the access rules put the peer into: default is everybody else.", "class", "direction")
	dupDesc       = desc("duplicate_blocks_total", "Received blocks that nobody here waited for any more. If they are many, several peers are asked for the same: see /debug/sessions.")
	dupBytesDesc  = desc("duplicate_block_bytes_total", "Bytes of received blocks that nobody here waited for any more.")
	messagesDesc  = desc("messages_total", "Bitswap messages.", "direction")
	wireDesc      = desc("network_bytes_total", "Bytes on Bitswap streams, with blocks, wantlists and all else.", "direction")
	streamsDesc   = desc("streams_total", "Bitswap streams, by who opened them.", "opener")
	asksDesc      = desc("wants_received_total", "Entries of peers' wantlists, without cancels.")
	presencesDesc = desc("presences_sent_total", "Answers that say whether a block is here.", "presence")
	lostDesc      = desc("wants_dropped_total", "Wants of peers that were given up, by why: \"silent\" and \"answered\" for want of room, \"unsent\" when they could not be answered, \"declined\" when the node drained.", "reason")
	unsentDesc    = desc("send_errors_total", "Messages of the engine that did not reach a stream.")
	storeDesc     = desc("store_errors_total", "What the store failed at: to read for peers, to write what came. Look at the disk and at the log.", "operation")

	trafficDescs = []*prometheus.Desc{
		blocksDesc, bytesDesc, classDesc, dupDesc, dupBytesDesc, messagesDesc, wireDesc, streamsDesc,
		asksDesc, presencesDesc, lostDesc, unsentDesc, storeDesc,
	}
)

func (m metrics) collectTraffic(out chan<- prometheus.Metric) {
	s, e, n := m.x.Stat(), m.x.engine.Stat(), m.x.network.Stat()
	both := func(d *prometheus.Desc, received, sent uint64) {
		count(out, d, received, "received")
		count(out, d, sent, "sent")
	}
	both(blocksDesc, s.BlocksReceived, s.BlocksSent)
	both(bytesDesc, s.DataReceived, s.DataSent)
	for _, c := range m.x.Classes() {
		count(out, classDesc, c.BytesReceived, c.Class, "received")
		count(out, classDesc, c.BytesSent, c.Class, "sent")
	}
	both(messagesDesc, s.MessagesReceived, s.MessagesSent)
	both(wireDesc, n.BytesReceived, n.BytesSent)
	count(out, dupDesc, s.DupBlksReceived)
	count(out, dupBytesDesc, s.DupDataReceived)
	count(out, streamsDesc, n.StreamsOpened, "self")
	count(out, streamsDesc, n.StreamsAccepted, "peer")
	count(out, asksDesc, s.WantsReceived)
	count(out, presencesDesc, e.HavesSent, "have")
	count(out, presencesDesc, e.DontHavesSent, "dont_have")
	for reason, n := range map[string]uint64{
		"silent": e.ForgottenSilent, "answered": e.ForgottenAnswers, "unsent": e.Unsent, "declined": e.Declined,
	} {
		count(out, lostDesc, n, reason)
	}
	count(out, unsentDesc, e.SendErrors)
	count(out, storeDesc, e.StoreErrors, "read")
	count(out, storeDesc, m.x.blocks.Stat().StoreErrors, "write")
}

var (
	faultsDesc  = desc("faults_total", "What peers did wrong, by reason. /debug/ledgers tells who did.", "reason")
	refusedDesc = desc("refused_total", "What was refused: peers for their strikes, peers of a crowd behind one address, streams, wants.", "what")
	deniedDesc  = desc("engine_refused_total", "Wants of peers that were refused, by reason: bound_size, bound_overflow, unusable_cid, access_hook, and access_ with what the rule is about or is called.", "reason")
	peersDesc   = desc("peers", "Peers of which an actor keeps something.", "actor")
	lateDesc    = desc("peers_late", "Peers that owe us an answer for longer than they usually take. /debug/wants tells which.")
	windowDesc  = desc("want_window_bytes", "Bytes of blocks that the peers with wants of ours may be asked for at a time.")
	wantsDesc   = desc("wants", "Wants now: of peers here, and of ours at peers by where they stand.", "state")
	inboundDesc = desc("inbound_streams", "Streams of peers that are read.")
	memoryDesc  = desc("held_bytes", "Bytes held for peers: being received, being sent, or of their wants.", "use")

	peersDescs = []*prometheus.Desc{faultsDesc, refusedDesc, deniedDesc, peersDesc, lateDesc, windowDesc, wantsDesc, inboundDesc, memoryDesc}
)

func (m metrics) collectRefused(out chan<- prometheus.Metric) {
	e, n := m.x.engine.Stat(), m.x.network.Stat()
	count(out, refusedDesc, n.Refusals, "peer")
	count(out, refusedDesc, n.TurnedAway, "crowd")
	count(out, refusedDesc, n.StreamsRefused, "stream")
	count(out, refusedDesc, e.RefusedAccess+e.RefusedSize+e.RefusedOverflow+e.RefusedCID, "want")
	count(out, deniedDesc, e.RefusedSize, "bound_size")
	count(out, deniedDesc, e.RefusedOverflow, "bound_overflow")
	count(out, deniedDesc, e.RefusedCID, "unusable_cid")
	// The rules of access have words of their own, at most mostReasons.
	for reason, n := range m.x.policy.counts() {
		count(out, deniedDesc, n, "access_"+reason)
	}
}

func (m metrics) collectHeld(out chan<- prometheus.Metric) {
	e, n := m.x.engine.Stat(), m.x.network.Stat()
	gauge(out, memoryDesc, int(n.Receiving), "receiving")
	gauge(out, memoryDesc, e.InFlightBytes, "sending")
	gauge(out, memoryDesc, e.TableBytes, "wants")
	gauge(out, inboundDesc, n.Streams)
	gauge(out, peersDesc, n.Peers, "network")
	gauge(out, peersDesc, e.Partners, "engine")
	gauge(out, wantsDesc, e.Wants, "received")
}

func (m metrics) collectFaults(ctx context.Context, out chan<- prometheus.Metric) {
	faults := m.x.ledger.Faults(ctx)
	if ctx.Err() != nil {
		return // Zero would look as if the node had been started again.
	}
	for f, n := range faults.All() {
		count(out, faultsDesc, n, f.String())
	}
}

func (m metrics) collectPeers(ctx context.Context, out chan<- prometheus.Metric) {
	if n := m.x.peers.Count(ctx); ctx.Err() == nil {
		gauge(out, peersDesc, n, "peerrouter")
	}
	t, err := m.x.wants.Totals(ctx)
	if err != nil {
		return
	}
	gauge(out, peersDesc, t.Peers, "wantmanager")
	gauge(out, lateDesc, t.Late)
	gauge(out, windowDesc, t.Window)
	gauge(out, wantsDesc, t.Queued, "queued")
	gauge(out, wantsDesc, t.Flying, "unanswered")
	gauge(out, wantsDesc, t.Refused, "dont_have")
}
