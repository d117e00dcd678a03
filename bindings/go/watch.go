package wfext

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"slices"
	"strings"
	"sync"
	"time"
)

const watched = 200 // things in one wait

// watch waits on behalf of all in this process who want to know of the end of a workflow, or of an item of a stream: one goroutine with a connection of its own, while somebody does.
type watch struct {
	database *database
	wake     string

	mu      sync.Mutex
	things  map[string][]chan struct{}
	done    chan struct{} // nil: nobody waits
	closing bool
}

func randomName(prefix string) string {
	random := make([]byte, 8)
	_, _ = rand.Read(random)
	return prefix + " " + hex.EncodeToString(random)
}

func newWatch(d *database) *watch {
	return &watch{database: d, wake: randomName("watch"), things: map[string][]chan struct{}{}}
}

// until returns when something has come of what is wanted (a thing of wf_wait's option any), or when it may be worth looking again.
func (w *watch) until(ctx context.Context, wanted map[string]any) error {
	thing, err := marshal(wanted, "what is wanted")
	if err != nil {
		return err
	}
	told := make(chan struct{})
	w.mu.Lock()
	w.things[thing] = append(w.things[thing], told)
	running := w.done != nil
	if !running && !w.closing {
		w.done = make(chan struct{})
		go w.run(w.done)
	}
	w.mu.Unlock()
	if running {
		_, _ = w.database.call("wf_wake", w.wake)
	}
	select {
	case <-told:
	case <-time.After(time.Minute):
	case <-ctx.Done():
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.things[thing] = slices.DeleteFunc(w.things[thing], func(other chan struct{}) bool { return other == told })
	if len(w.things[thing]) == 0 {
		delete(w.things, thing)
	}
	return ctx.Err()
}

// tell is called with the lock.
func (w *watch) tell(things ...string) {
	for _, thing := range things {
		for _, told := range w.things[thing] {
			close(told)
		}
		delete(w.things, thing)
	}
}

func (w *watch) all() []string {
	out := make([]string, 0, len(w.things))
	for thing := range w.things {
		out = append(out, thing)
	}
	return out
}

func (w *watch) run(done chan struct{}) {
	defer close(done)
	c, err := w.database.settings.open()
	if err == nil {
		defer c.close()
	}
	for idle := 0; ; {
		w.mu.Lock()
		things := w.all()
		if idle++; len(things) > 0 {
			idle = 0 // who asks once may ask again: a connection costs more than a wait
		}
		if err != nil || idle > 1 || w.closing {
			w.tell(things...)
			w.done = nil
			w.mu.Unlock()
			return
		}
		w.mu.Unlock()
		asked := things[:min(len(things), watched)]
		wake, _ := marshal(map[string]any{"wake": w.wake}, "wake")
		var found any
		if found, err = c.value("SELECT wf_wait(?, ?)", waitSeconds, `{"any":[`+strings.Join(append([]string{wake}, asked...), ",")+"]}"); err != nil {
			continue
		}
		came, _ := decode[[]struct{ Index int }](asText(found))
		w.mu.Lock()
		for _, one := range came {
			if one.Index > 0 {
				w.tell(asked[one.Index-1])
			}
		}
		if len(things) > watched {
			w.tell(things...) // so many that each looks by itself
		}
		w.mu.Unlock()
	}
}

func (w *watch) close() {
	w.mu.Lock()
	w.closing = true
	done := w.done
	w.mu.Unlock()
	if done != nil {
		_, _ = w.database.call("wf_wake", w.wake)
		<-done
	}
}
