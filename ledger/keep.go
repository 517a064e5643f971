package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ipfs/go-datastore"
	dsquery "github.com/ipfs/go-datastore/query"
	"github.com/libp2p/go-libp2p/core/peer"
	"go.uber.org/zap"

	"github.com/souk-p2p/souk/internal/actor"
)

const (
	keepEvery = 10 * time.Second // what a crash may cost of the accounts
	keptRows  = 128              // written at a time: some ten microseconds of the actor
	mostRow   = 32 << 10         // bytes; one with a full history takes 6 KiB
	mostRows  = 2 * DefaultPeers // that are read: no release kept more
	keepTime  = time.Second      // for the last time that something is kept
)

// sumName is the key of the sum of all accounts. No peer has it for an id.
const sumName = "sum"

// Load reads the accounts that a ledger has kept, and how many rows were damaged:
// these are left out, and overwritten when their peer comes again.
func Load(ctx context.Context, store datastore.Batching) (rows []Row, damaged int, err error) {
	found, err := store.Query(ctx, dsquery.Query{})
	if err != nil {
		return nil, 0, fmt.Errorf("ledger: read what was kept: %w", err)
	}
	defer func() { err = errors.Join(err, found.Close()) }()
	for len(rows) < mostRows {
		r, more := found.NextSync()
		if !more {
			break
		}
		if r.Error != nil {
			return rows, damaged, fmt.Errorf("ledger: read what was kept: %w", r.Error)
		}
		row, err := parseRow(strings.TrimPrefix(r.Key, "/"), r.Value)
		if err != nil {
			damaged++
			continue
		}
		rows = append(rows, row)
	}
	// The worth of an account does not depend on the order of the store.
	slices.SortFunc(rows, func(a, b Row) int { return a.LastActive.Compare(b.LastActive) })
	return rows, damaged, nil
}

// Receipts are those of accounts that were kept, each with its history, in the order
// of [Ledger.Receipts].
func Receipts(rows []Row, now time.Time) []Receipt {
	s := newState(0, 0)
	s.restoreAll(rows)
	all := s.receipts(now)
	for i := range all {
		all[i].History = s.accounts[all[i].Peer].history.tell(now)
	}
	return all
}

func parseRow(name string, value []byte) (r Row, err error) {
	if len(value) > mostRow {
		return r, fmt.Errorf("a row of %d bytes", len(value))
	}
	if err := json.Unmarshal(value, &r); err != nil {
		return r, err
	}
	if rowKey(r.Peer).Name() != name {
		return r, fmt.Errorf("a row of %s under %q", r.Peer, name)
	}
	return r, nil
}

func rowKey(p peer.ID) datastore.Key {
	if p == "" {
		return datastore.NewKey(sumName)
	}
	return datastore.NewKey(p.String())
}

// keeper is the goroutine that keeps the accounts: every few seconds it asks the
// actor which have changed, and writes those, some at a time.
type keeper struct {
	ctx   context.Context // ends when it is to write for the last time
	inbox *actor.Inbox[request]
	store datastore.Batching
	meet  func(peer.ID) (string, []string)
	log   *zap.Logger

	damaged int // rows that were left out
	failing bool
}

func newKeeper(ctx context.Context, cfg Config, inbox *actor.Inbox[request]) *keeper {
	k := &keeper{ctx: ctx, inbox: inbox, store: cfg.Keep, meet: cfg.Meet, log: cfg.Logger}
	if k.log == nil {
		k.log = zap.NewNop()
	}
	return k
}

func (k *keeper) needed() bool { return k.store != nil || k.meet != nil }

func (k *keeper) run() {
	if k.damaged > 0 {
		k.log.Warn("ledgers were damaged and are left out", zap.Int("rows", k.damaged))
	}
	clock := time.NewTicker(keepEvery)
	defer clock.Stop()
	for {
		select {
		case <-clock.C:
			k.keep(k.ctx, false)
		case <-k.ctx.Done():
			ctx, cancel := context.WithTimeout(context.Background(), keepTime)
			defer cancel()
			k.keep(ctx, true)
			return
		}
	}
}

// keep writes what has changed. A store that goes on to fail is told of once.
func (k *keeper) keep(ctx context.Context, last bool) {
	err := k.write(ctx, last)
	if err != nil && ctx.Err() == nil && !k.failing {
		k.log.Warn("ledgers are not kept", zap.Error(err))
	}
	k.failing = err != nil
}

func (k *keeper) write(ctx context.Context, last bool) error {
	todo, err := actor.Ask(ctx, k.inbox, func(reply chan<- unkept) request { return unkeptQuery{last, reply} })
	if err != nil || len(todo.changed)+len(todo.gone) == 0 {
		return err
	}
	for part := range slices.Chunk(todo.changed, keptRows) {
		if err := k.writeSome(ctx, part, nil); err != nil {
			return err
		}
	}
	for part := range slices.Chunk(todo.gone, keptRows) {
		if err := k.writeSome(ctx, nil, part); err != nil {
			return err
		}
	}
	if k.store == nil {
		return nil
	}
	return k.store.Sync(ctx, datastore.NewKey("/"))
}

// writeSome writes and removes rows. What could not be is tried again.
func (k *keeper) writeSome(ctx context.Context, changed, gone []peer.ID) error {
	rows, err := actor.Ask(ctx, k.inbox, func(reply chan<- []Row) request { return rowsQuery{changed, gone, reply} })
	if err != nil {
		return err
	}
	k.introduce(ctx, rows)
	if k.store == nil {
		return nil
	}
	err = k.put(ctx, rows, gone)
	if err != nil {
		_ = k.inbox.Send(context.WithoutCancel(ctx), lostReport{changed, gone}) // Fails only when the actor has ended.
	}
	return err
}

// introduce finds out what peers call themselves that are connected or were a moment
// ago, where that may have changed.
func (k *keeper) introduce(ctx context.Context, rows []Row) {
	if k.meet == nil {
		return
	}
	for i := range rows {
		r := &rows[i]
		if !r.connected && r.Agent != "" {
			continue
		}
		agent, addresses := k.meet(r.Peer)
		met := account{agent: r.Agent, addresses: r.Addresses}
		met.meet(agent, addresses)
		if met.agent == r.Agent && slices.Equal(met.addresses, r.Addresses) {
			continue
		}
		r.Agent, r.Addresses = met.agent, met.addresses
		_ = k.inbox.Send(ctx, introduction{r.Peer, agent, addresses}) // Fails only at the end.
	}
}

func (k *keeper) put(ctx context.Context, rows []Row, gone []peer.ID) error {
	batch, err := k.store.Batch(ctx)
	if err != nil {
		return fmt.Errorf("ledger: keep %d accounts: %w", len(rows), err)
	}
	for _, p := range gone {
		if err := batch.Delete(ctx, rowKey(p)); err != nil {
			return fmt.Errorf("ledger: remove the account of %s: %w", p, err)
		}
	}
	for i := range rows {
		value, err := json.Marshal(&rows[i])
		if err == nil {
			err = batch.Put(ctx, rowKey(rows[i].Peer), value)
		}
		if err != nil {
			return fmt.Errorf("ledger: keep the account of %s: %w", rows[i].Peer, err)
		}
	}
	if err := batch.Commit(ctx); err != nil {
		return fmt.Errorf("ledger: keep %d accounts: %w", len(rows), err)
	}
	return nil
}
