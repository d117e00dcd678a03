package wfext

import (
	"context"
	"slices"
	"time"

	"github.com/wfext/wfext/bindings/go/internal/goid"
)

// A Future is a branch that runs beside the others.
type Future[T any] struct {
	done   chan struct{}
	value  T
	err    error
	parent *scope
	branch *scope // nil where it was not begun
	joined bool
}

// Go runs fn beside the code that follows, with names of its own for its steps: "name.step". Join every future before the workflow waits or ends; what it comes to is what Join returns, and not what it says over a channel.
func Go[T any](ctx context.Context, name string, fn func(ctx context.Context) (T, error)) *Future[T] {
	f := &Future[T]{done: make(chan struct{})}
	if fn == nil {
		f.err = misuse("wfext: the function of the branch %s is nil", name)
		close(f.done)
		return f
	}
	if f.parent, f.branch, f.err = branchOf(ctx, name); f.err != nil {
		close(f.done)
		return f
	}
	go func() {
		defer close(f.done)
		f.branch.enter()
		var value any
		value, f.err = protect(func() (any, error) { return fn(context.WithValue(ctx, attemptKey{}, f.branch)) })
		if f.err = f.branch.leave(f.parent, f.err); f.err == nil {
			f.value, _ = value.(T)
		}
	}()
	return f
}

func branchOf(ctx context.Context, name string) (parent, branch *scope, err error) {
	if parent, err = scopeOf(ctx); err != nil {
		return nil, nil, err
	}
	taken, err := parent.takeBeside(name, false)
	if err != nil {
		return nil, nil, err
	}
	here, a := goid.ID(), parent.attempt
	a.mu.Lock()
	defer a.mu.Unlock()
	parent.running++
	parent.unjoined++
	return parent, &scope{attempt: a, names: newNames(taken + "."), isBranch: true, position: parent.next(), base: parent.lastRead(here), latest: map[uint64]int{}}, nil
}

// enter notes that this goroutine is the branch's.
func (s *scope) enter() {
	here := goid.ID()
	s.attempt.mu.Lock()
	s.attempt.scopes[here] = s
	s.attempt.mu.Unlock()
}

// leave waits for the branches of the branch. Where one waits, so does it, whatever its code returned.
func (s *scope) leave(parent *scope, err error) error {
	here, a := goid.ID(), s.attempt
	a.mu.Lock()
	defer a.mu.Unlock()
	s.branchesEnd(a.app.patience, func() bool { return a.over != nil })
	switch {
	case s.suspended:
		if err == nil {
			a.log.Error("wfext: a branch went on after ErrSuspended and swallowed that; nothing of it counts", "workflow", a.claim.ID, "branch", s.names.prefix)
		}
		err = ErrSuspended
	case err == nil && s.unjoined > 0:
		err = misuse("wfext: the branch %s has ended while %d futures of it are not joined", s.names.prefix, s.unjoined)
	}
	delete(a.scopes, here)
	parent.running--
	a.changed.Broadcast()
	return err
}

// branchesEnd waits until the branches of the scope have ended, or `over` says so; or until they have done nothing of the package for so long: they are perhaps stuck on a channel that nobody serves any more. The caller holds the lock.
func (s *scope) branchesEnd(patience time.Duration, over func() bool) {
	a := s.attempt
	begun := time.Now()
	for s.running > 0 && !over() {
		last := a.lastCall
		if last.Before(begun) {
			last = begun
		}
		if a.inFlight == 0 && time.Since(last) >= patience {
			a.log.Warn("wfext: branches have not ended, and do nothing: join every future, or let them watch the context", "workflow", a.claim.ID, "branches", s.running)
			return
		}
		alarm := time.AfterFunc(patience, a.changed.Broadcast)
		a.changed.Wait()
		alarm.Stop()
	}
}

// Join waits for the branch. ErrSuspended: it waits for something, and every later call of the code that has joined it fails with the same; join the others, then return it.
func (f *Future[T]) Join() (T, error) {
	<-f.done
	if f.branch == nil {
		return f.value, f.err
	}
	here, a := goid.ID(), f.parent.attempt
	a.mu.Lock()
	defer a.mu.Unlock()
	if !f.joined {
		f.joined = true
		f.parent.unjoined--
	}
	joins := a.scopes[here]
	if joins == nil {
		joins = f.parent
	}
	if f.branch.suspended {
		joins.suspended = true
	}
	joins.latest[here] = max(joins.lastRead(here), f.branch.lastOfAll())
	return f.value, f.err
}

// A compensation is what is to be undone, and where its place is: after the record that its goroutine has read back last, and among those by its position in the code. The same in every replay, however goroutines run.
type compensation struct {
	scope    *scope
	after    int
	position []int
	run      func(context.Context) error
}

func (c compensation) compare(other compensation) int {
	if c.after != other.after {
		return c.after - other.after
	}
	return slices.Compare(c.position, other.position)
}

func (s *scope) compensates(run func(context.Context) error) {
	here, a := goid.ID(), s.attempt
	a.mu.Lock()
	defer a.mu.Unlock()
	a.undo = append(a.undo, compensation{s, s.lastRead(here), s.next(), run})
}

// next is the position of what comes next in the code. The caller holds the lock.
func (s *scope) next() []int {
	s.events++
	return append(slices.Clone(s.position), s.events)
}

// reads notes that the goroutine has come to a step.
func (s *scope) reads(here uint64, step string) {
	a := s.attempt
	if a.claim.Ending == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if at, ok := a.order[step]; ok {
		s.latest[here] = max(s.lastRead(here), at)
	}
}

// lastRead is the last record that the goroutine has come to. The caller holds the lock.
func (s *scope) lastRead(here uint64) int {
	if at, ok := s.latest[here]; ok {
		return at
	}
	return s.base
}

func (s *scope) lastOfAll() int {
	last := s.base
	for _, at := range s.latest {
		last = max(last, at)
	}
	return last
}
