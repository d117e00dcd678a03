package wfext

import (
	"fmt"
	"os"
)

// LoadablePath is the path of the extension, as LoadExtension wants it: that of the environment variable WFEXT_LIBRARY. Not needed where the engine is linked in.
func LoadablePath() (string, error) {
	path := os.Getenv("WFEXT_LIBRARY")
	if path == "" {
		return "", fmt.Errorf("wfext: the engine is not linked into this program: import github.com/wfext/wfext/bindings/go/engine, or set WFEXT_LIBRARY to the path of the library")
	}
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("wfext: WFEXT_LIBRARY: %w", err)
	}
	return path, nil
}
