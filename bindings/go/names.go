package wfext

import (
	"fmt"
	"regexp"
	"sync"
)

var counted = regexp.MustCompile(`#\d+$`)

func checkName(name string) error {
	if name == "" {
		return misuse("wfext: the name is \"\": steps and workflows have one")
	}
	if counted.MatchString(name) {
		return misuse("wfext: the name %q ends in # and a number, which are for repeated names", name)
	}
	return nil
}

type use struct {
	count     int
	goroutine uint64
	racy      bool
}

// names are those that one attempt, or one branch of it, has used. A name is taken when the step is called; the second of one name is name#2. One that is repeated by goroutines that run side by side is refused:
// whichever comes first would take the other's record.
type names struct {
	mu       sync.Mutex
	prefix   string
	uses     map[string]*use
	inFlight int
}

func newNames(prefix string) *names { return &names{prefix: prefix, uses: map[string]*use{}} }

func (n *names) take(name string, here uint64, beside bool) (string, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	racy := n.inFlight > 0 || beside
	before := n.uses[name]
	if before == nil {
		n.uses[name] = &use{count: 1, goroutine: here, racy: racy}
		return n.prefix + name, nil
	}
	if before.racy || racy || before.goroutine != here {
		return "", &EngineError{Code: "WF_NONDETERMINISM", Message: fmt.Sprintf(
			"WF_NONDETERMINISM: the step %q is repeated by branches that run side by side, so a replay could give one the result of the other: give each a name of its own, or use wfext.Go(ctx, name, fn)", name)}
	}
	before.count++
	return fmt.Sprintf("%s%s#%d", n.prefix, name, before.count), nil
}

func (n *names) begins() {
	n.mu.Lock()
	n.inFlight++
	n.mu.Unlock()
}

func (n *names) settles() {
	n.mu.Lock()
	n.inFlight--
	n.mu.Unlock()
}
