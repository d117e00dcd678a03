package goid

import (
	"sync"
	"testing"
)

func TestIsThatOfTheTrace(t *testing.T) {
	if !found && record() != nil {
		t.Error("its place was not found: each step costs a stack trace")
	}
	var all sync.WaitGroup
	ids := sync.Map{}
	for range 1000 {
		all.Add(1)
		go func() {
			defer all.Done()
			id := ID()
			if id != ofTrace() || id != ID() {
				t.Errorf("%d, and the trace says %d", id, ofTrace())
			}
			if _, twice := ids.LoadOrStore(id, true); twice {
				t.Errorf("two have %d", id)
			}
		}()
	}
	all.Wait()
}

func BenchmarkID(b *testing.B) {
	for b.Loop() {
		ID()
	}
}

func BenchmarkTrace(b *testing.B) {
	for b.Loop() {
		ofTrace()
	}
}
