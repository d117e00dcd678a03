package wfext

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

// nameHold is a name that no other living process has, held by a lock on a file beside the database.
type nameHold struct {
	name string
	file *os.File
}

func (h *nameHold) release() {
	if h.file != nil {
		_ = h.file.Close()
		h.file = nil
	}
}

func holdName(path, given string) (*nameHold, error) {
	host, err := os.Hostname()
	if err != nil {
		host = "host"
	}
	for n := 1; n < 1000; n++ {
		name := given
		if name == "" {
			name = fmt.Sprintf("%s:%d", host, n)
		}
		file, err := os.OpenFile(path+".worker-"+strings.NewReplacer("/", "_", ":", "-").Replace(name), os.O_CREATE|os.O_RDWR, 0o666)
		if err != nil {
			return nil, err
		}
		if lockFile(file) {
			return &nameHold{name, file}, nil
		}
		_ = file.Close()
		if given != "" {
			return nil, fmt.Errorf("wfext: a worker of the name %q is running on this file already", given)
		}
	}
	return nil, errors.New("wfext: a thousand workers of this host are running on this file")
}
