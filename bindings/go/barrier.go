package wfext

import (
	"context"
	"sync"
	"time"
)

// Synced is what Sync has reached: the transactions are Litestream's.
type Synced struct {
	TxID       int64   `json:"txid"`
	Replicated int64   `json:"replicated_txid"`
	Millis     float64 `json:"ms"`
	Calls      int64   `json:"calls"`
}

// SyncOption is an option of Sync.
type SyncOption func(map[string]any)

// SyncSocket is Litestream's control socket; default: that of wf_config.
func SyncSocket(path string) SyncOption { return func(o map[string]any) { o["socket"] = path } }

// SyncPath is the path of this file in Litestream's configuration; default: that of wf_config.
func SyncPath(path string) SyncOption { return func(o map[string]any) { o["path"] = path } }

// AllowNormal asks also where synchronous is below full.
func AllowNormal() SyncOption { return func(o map[string]any) { o["allow_normal"] = true } }

const syncTimeout = 30 * time.Second

// Sync returns once all that was committed before is on Litestream's replica. Whatever keeps it from being sure is an error (WF_STATE), never a success. It lasts as long as the context, at most 30 s.
func (app *App) Sync(ctx context.Context, options ...SyncOption) (Synced, error) {
	timeout := syncTimeout
	if end, ok := ctx.Deadline(); ok {
		timeout = min(timeout, max(0, time.Until(end)))
	}
	given := map[string]any{}
	for _, option := range options {
		option(given)
	}
	text, err := marshal(given, "options")
	if err != nil {
		return Synced{}, err
	}
	if app.database.isInside() {
		return Synced{}, misuse("wfext: Sync in a transaction: it is for what was committed")
	}
	c, err := app.database.settings.open()
	if err != nil {
		return Synced{}, err
	}
	defer c.close()
	rows, err := c.rowsWithin(ctx, "SELECT wf_sync(?, ?)", timeout.Seconds(), text)
	if err != nil {
		return Synced{}, translate(err)
	}
	return decode[Synced](asText(rows[0][0]))
}

// barrier joins those that are wanted while one is under way: the next begins after all of them have come.
type barrier struct {
	mu   sync.Mutex
	one  sync.Mutex // who has it asks
	next *joined
}

type joined struct {
	waiting int // how many have come
	done    chan struct{}
	err     error
}

func (b *barrier) join(app *App) error {
	b.mu.Lock()
	mine := b.next
	leads := mine == nil
	if leads {
		mine = &joined{done: make(chan struct{})}
		b.next = mine
	}
	mine.waiting++
	b.mu.Unlock()
	if leads {
		b.one.Lock()
		b.mu.Lock()
		b.next = nil // who comes from now on may have committed too late for this one
		b.mu.Unlock()
		_, mine.err = app.Sync(context.Background())
		b.one.Unlock()
		close(mine.done)
	}
	<-mine.done
	return mine.err
}
