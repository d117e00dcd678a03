package wfext

import "context"

// A Future is a branch that runs beside the others.
type Future[T any] struct {
	done  chan struct{}
	value T
	err   error
}

// Go runs fn beside the code that follows, with names of its own for its steps: "name.step". Join every future before the workflow waits or ends.
func Go[T any](ctx context.Context, name string, fn func(ctx context.Context) (T, error)) *Future[T] {
	f := &Future[T]{done: make(chan struct{})}
	branch, err := branchOf(ctx, name)
	if err != nil {
		f.err = err
		close(f.done)
		return f
	}
	go func() {
		defer close(f.done)
		var value any
		value, f.err = protect(func() (any, error) { return fn(context.WithValue(ctx, attemptKey{}, branch)) })
		if f.err == nil {
			f.value, _ = value.(T)
		}
		branch.attempt.mu.Lock()
		branch.attempt.branches--
		branch.attempt.mu.Unlock()
	}()
	return f
}

func branchOf(ctx context.Context, name string) (*scope, error) {
	s, err := scopeOf(ctx)
	if err != nil {
		return nil, err
	}
	taken, err := s.take(name)
	if err != nil {
		return nil, err
	}
	s.attempt.mu.Lock()
	s.attempt.branches++
	s.attempt.mu.Unlock()
	return &scope{attempt: s.attempt, names: newNames(taken + "."), isBranch: true}, nil
}

// Join waits for the branch. ErrSuspended: it waits for something; join the others, then return it.
func (f *Future[T]) Join() (T, error) {
	<-f.done
	return f.value, f.err
}
