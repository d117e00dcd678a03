//go:build !windows

package wfext

import (
	"os"
	"syscall"
)

func lockFile(file *os.File) bool {
	return syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil
}
