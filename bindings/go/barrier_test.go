package wfext

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// controlSocket is a stand-in for Litestream's: POST /sync is answered by what `answers` gives of its number, a transaction that is on the replica, or 0: an error.
func controlSocket(t *testing.T, answers func(n int64) int64) (path string, asked *atomic.Int64) {
	t.Helper()
	folder, err := os.MkdirTemp("", "wfs")
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	path, asked = filepath.Join(folder, "s"), &atomic.Int64{}
	listener, err := net.Listen("unix", path)
	must(t, err)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /info", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprint(w, `{"version":"0.5.18","pid":1,"uptime_seconds":1,"database_count":1}`)
	})
	mux.HandleFunc("POST /sync", func(w http.ResponseWriter, r *http.Request) {
		var request struct{ Path string }
		_ = json.NewDecoder(r.Body).Decode(&request)
		txid := answers(asked.Add(1))
		if txid == 0 {
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = fmt.Fprint(w, `{"error":"no bucket"}`)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"status": "synced", "path": request.Path, "txid": txid, "replicated_txid": txid})
	})
	server := &http.Server{Handler: mux}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	return path, asked
}

func asks(t *testing.T, app *App, path string) {
	t.Helper()
	_, err := app.Call("wf_config", "sync_socket", path)
	must(t, err)
}

func TestSync(t *testing.T) {
	app := openApp(t, Synchronous("full"))
	path, _ := controlSocket(t, func(n int64) int64 { return map[int64]int64{1: 7}[n] })
	done, err := app.Sync(context.Background(), SyncSocket(path))
	must(t, err)
	equal(t, done.TxID, int64(7))
	asks(t, app, path)
	if _, err := app.Sync(context.Background()); !errors.Is(err, ErrState) || !strings.Contains(err.Error(), "no bucket") {
		t.Fatal(err)
	}
	if _, err := app.Sync(context.Background(), SyncSocket(path+"none")); err == nil || !strings.Contains(err.Error(), "none") {
		t.Fatal(err)
	}
	if _, err := openApp(t).Sync(context.Background(), SyncSocket(path)); err == nil || !strings.Contains(err.Error(), "below FULL") {
		t.Fatal(err)
	}
}

// Claim, intent, barrier, and only then the effect. Without the barrier it is not tried, and that is no failure of its.
func TestADurableEffect(t *testing.T) {
	app := openApp(t, Synchronous("full"))
	var mu sync.Mutex
	var seen []string
	sees := func(what string) []string {
		mu.Lock()
		defer mu.Unlock()
		if what != "" {
			seen = append(seen, what)
		}
		return slices.Clone(seen)
	}
	path, _ := controlSocket(t, func(n int64) int64 {
		rows, err := app.Query("SELECT count(*) FROM _wf_step WHERE name = 'pay' AND status = 'begun'")
		if err != nil {
			return 0
		}
		sees(fmt.Sprintf("barrier behind %v intent", rows[0][0]))
		return n - 1 // the first is an error
	})
	asks(t, app, path)
	w := Workflow(app, "w", func(ctx context.Context, _ none) (string, error) {
		return Effect(ctx, "pay", func(ctx context.Context) (string, error) {
			sees("pay")
			return Key(ctx), nil
		}, Durable())
	})
	work(t, app)
	h := begun(t, w, none{})
	until(t, func() bool { status, _ := h.Status(); return status == "pending" && len(sees("")) > 0 })
	equal(t, sees(""), []string{"barrier behind 1 intent"})
	until(t, func() bool {
		_, err := app.Call("wf_reschedule", h.ID())
		status, _ := h.Status()
		return err != nil || status != "pending"
	})
	out, err := result(t, h)
	must(t, err)
	key, err := app.Call("wf_key", h.ID(), "pay")
	must(t, err)
	equal(t, out, asText(key))
	equal(t, sees(""), []string{"barrier behind 1 intent", "barrier behind 1 intent", "pay"})
	rows, err := app.Query("SELECT count(*) FROM wf_failures")
	must(t, err)
	equal(t, rows[0][0], int64(0))
}

func TestEffectsSideBySideShareABarrier(t *testing.T) {
	app := openApp(t, Synchronous("full"))
	goes := make(chan none)
	path, asked := controlSocket(t, func(n int64) int64 { <-goes; return n })
	asks(t, app, path)
	w := Workflow(app, "w", func(ctx context.Context, numbers []int) (int, error) {
		futures := []*Future[int]{}
		for _, i := range numbers {
			futures = append(futures, Go(ctx, fmt.Sprintf("pay %d", i), func(ctx context.Context) (int, error) { return Effect(ctx, "pay", returns(i), Durable()) }))
		}
		sum := 0
		for _, f := range futures {
			n, err := f.Join()
			if err != nil {
				return 0, err
			}
			sum += n
		}
		return sum, nil
	})
	work(t, app)
	first := begun(t, w, []int{0})
	until(t, func() bool { return asked.Load() == 1 }) // from now on it is under way
	numbers := []int{}
	for i := range 39 {
		numbers = append(numbers, i+1)
	}
	others := begun(t, w, numbers)
	until(t, func() bool {
		app.barrier.mu.Lock()
		defer app.barrier.mu.Unlock()
		return app.barrier.next != nil && app.barrier.next.waiting == len(numbers)
	})
	close(goes)
	out, err := result(t, first)
	must(t, err)
	equal(t, out, 0)
	out, err = result(t, others)
	must(t, err)
	equal(t, out, 780)
	equal(t, asked.Load(), int64(2))
}
