package wfext

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/mattn/go-sqlite3"
)

// EngineError is an error of the engine: Code is its WF_ code, or SQLITE_BUSY where others hold the file for longer than the busy timeout.
type EngineError struct {
	Code    string
	Message string
}

func (e *EngineError) Error() string { return e.Message }

// Is makes errors.Is(err, &EngineError{Code: "WF_NOT_FOUND"}) ask for the code.
func (e *EngineError) Is(target error) bool {
	other, ok := target.(*EngineError)
	return ok && other.Code == e.Code && other.Message == ""
}

var (
	// ErrSuspended says that the workflow waits: return it. Every later call of the attempt fails with it, too.
	ErrSuspended = errors.New("wfext: the workflow waits, and this attempt is over: return this error")
	// ErrNotOurs says that the workflow is somebody else's by now (cancelled, paused, its lease lost), or the worker stops: return it.
	ErrNotOurs = errors.New("wfext: the workflow is no longer this attempt's: return this error")
	// ErrTimeout says that something did not come in time.
	ErrTimeout = errors.New("wfext: it did not come in time")
	// ErrOutside says that a step was called where no workflow runs.
	ErrOutside = errors.New("wfext: called outside of a workflow: the context is not that of one")

	ErrNotFound       = &EngineError{Code: "WF_NOT_FOUND"}
	ErrConflict       = &EngineError{Code: "WF_CONFLICT"}
	ErrInvalid        = &EngineError{Code: "WF_INVALID"}
	ErrState          = &EngineError{Code: "WF_STATE"}
	ErrLeased         = &EngineError{Code: "WF_LEASED"}
	ErrContext        = &EngineError{Code: "WF_CONTEXT"}
	ErrNondeterminism = &EngineError{Code: "WF_NONDETERMINISM"}
	ErrBusy           = &EngineError{Code: "SQLITE_BUSY"}
)

// Misuse says that the code calls the package in a way that every attempt would repeat: the workflow fails for good.
type Misuse struct{ Message string }

func (e *Misuse) Error() string { return e.Message }

func misuse(format string, args ...any) error { return &Misuse{fmt.Sprintf(format, args...)} }

// panicked is what the code has thrown.
type panicked struct{ thrown any }

func (e *panicked) Error() string { return fmt.Sprintf("panic: %v", e.thrown) }

// StepFailed says that a step has failed for good. It is recorded: every replay returns the same.
type StepFailed struct {
	Step  string
	Cause Recorded
}

func (e *StepFailed) Error() string { return fmt.Sprintf("step %q failed: %s", e.Step, e.Cause) }

// WorkflowFailed is the end of a workflow that has failed.
type WorkflowFailed struct {
	ID    string
	Cause Recorded
}

func (e *WorkflowFailed) Error() string { return fmt.Sprintf("workflow %q failed: %s", e.ID, e.Cause) }

// WorkflowCancelled is the end of a workflow that was cancelled; Cause is the reason, if one was given.
type WorkflowCancelled struct {
	ID    string
	Cause Recorded
}

func (e *WorkflowCancelled) Error() string {
	if e.Cause.raw == "" {
		return fmt.Sprintf("workflow %q was cancelled", e.ID)
	}
	return fmt.Sprintf("workflow %q was cancelled: %s", e.ID, e.Cause)
}

// Recorded is an error as it was recorded: any JSON; those of these packages are objects of type, message and more.
type Recorded struct {
	Type    string `json:"type"`
	Message string `json:"message"`
	raw     string
}

// JSON is the whole of it.
func (r Recorded) JSON() string { return r.raw }

func (r Recorded) String() string {
	switch {
	case r.Message != "" && r.Type != "" && r.Type != plainError && !strings.HasPrefix(r.Message, r.Type+": "):
		return r.Type + ": " + r.Message
	case r.Message != "":
		return r.Message
	default:
		return r.raw
	}
}

func recorded(raw string) Recorded {
	out := Recorded{raw: raw}
	var text string
	if unmarshal(raw, &out) != nil && unmarshal(raw, &text) == nil {
		out.Message = text
	}
	out.raw = raw
	return out
}

var codeOf = regexp.MustCompile(`^(WF_[A-Z_]+): `)

// translate makes an error of the engine out of one of the driver.
func translate(err error) error {
	var function *ofTheFunction
	if err == nil || errors.As(err, &function) {
		return err
	}
	text := err.Error()
	if found := codeOf.FindStringSubmatch(text); found != nil {
		return &EngineError{Code: found[1], Message: text}
	}
	if strings.Contains(text, "database is locked") || strings.Contains(text, "database table is locked") {
		return &EngineError{Code: "SQLITE_BUSY", Message: text}
	}
	return err
}

func codeIn(err error) string {
	var engine *EngineError
	if errors.As(err, &engine) {
		return engine.Code
	}
	return ""
}

func isNotOurs(err error) bool {
	switch codeIn(err) {
	case "WF_LEASE_LOST", "WF_CANCELLED", "WF_PAUSED", "WF_SUSPENDED":
		return true
	}
	return false
}

func isBusy(err error) bool { return codeIn(err) == "SQLITE_BUSY" }

// isOfTheMachine says whether a call failed for a reason that is not the workflow's: the file is locked, the disk full. Another attempt may come through.
func isOfTheMachine(err error) bool {
	var failed sqlite3.Error
	if !errors.As(err, &failed) {
		return isBusy(err) || errors.Is(err, errClosed)
	}
	switch failed.Code {
	case sqlite3.ErrPerm, sqlite3.ErrBusy, sqlite3.ErrLocked, sqlite3.ErrNomem, sqlite3.ErrReadonly, sqlite3.ErrInterrupt, sqlite3.ErrIoErr, sqlite3.ErrCorrupt, sqlite3.ErrFull, sqlite3.ErrCantOpen, sqlite3.ErrProtocol, sqlite3.ErrNotADB:
		return true
	}
	return false
}

// isBroken says whether a statement of the application's has met a full disk, or the like.
func isBroken(err error) bool {
	var failed sqlite3.Error
	if !errors.As(err, &failed) {
		return false
	}
	switch failed.Code {
	case sqlite3.ErrNomem, sqlite3.ErrIoErr, sqlite3.ErrCorrupt, sqlite3.ErrFull, sqlite3.ErrCantOpen, sqlite3.ErrProtocol, sqlite3.ErrNotADB:
		return true
	}
	return false
}

// isFinal says whether another attempt would only come to the same.
func isFinal(err error) bool {
	var step *StepFailed
	var failed *WorkflowFailed
	var cancelled *WorkflowCancelled
	var notJSON *NotJSON
	var misused *Misuse
	if errors.As(err, &step) || errors.As(err, &failed) || errors.As(err, &cancelled) || errors.As(err, &notJSON) || errors.As(err, &misused) || errors.Is(err, ErrOutside) || errors.Is(err, ErrTimeout) {
		return true
	}
	code := codeIn(err)
	return code != "" && !isBusy(err) && !isNotOurs(err)
}

// errorValue is an error as it is recorded.
func errorValue(err error) string {
	value := map[string]any{"type": typeOf(err), "message": err.Error()}
	if code := codeIn(err); code != "" {
		value["code"] = code
	}
	var step *StepFailed
	if errors.As(err, &step) {
		value["type"], value["step"], value["cause"] = "StepFailed", step.Step, rawJSON(step.Cause.raw)
	}
	var failed *WorkflowFailed
	if errors.As(err, &failed) {
		value["type"], value["workflow"], value["cause"] = "WorkflowFailed", failed.ID, rawJSON(failed.Cause.raw)
	}
	text, encodeErr := marshal(value, "the error")
	if encodeErr != nil {
		text, _ = marshal(map[string]any{"type": value["type"], "message": strings.ToValidUTF8(err.Error(), "\uFFFD")}, "the error")
	}
	return text
}

// plainError is the type of an error that has none of its own.
const plainError = "error"

// typeOf names an error: the first in its chain that has a type of its own. What the standard library only wraps or words says nothing.
func typeOf(err error) string {
	for _, known := range []struct {
		is   error
		name string
	}{{ErrTimeout, "Timeout"}, {ErrOutside, "Outside"}, {context.Canceled, "context.Canceled"}, {context.DeadlineExceeded, "context.DeadlineExceeded"}} {
		if errors.Is(err, known.is) {
			return known.name
		}
	}
	name := strings.TrimPrefix(fmt.Sprintf("%T", err), "*")
	switch {
	case name == "wfext.panicked":
		return "panic"
	case !strings.HasPrefix(name, "errors.") && !strings.HasPrefix(name, "fmt."):
		return name
	}
	var inner []error
	switch wraps := err.(type) {
	case interface{ Unwrap() error }:
		inner = []error{wraps.Unwrap()}
	case interface{ Unwrap() []error }:
		inner = wraps.Unwrap()
	}
	for _, each := range inner {
		if each != nil && typeOf(each) != plainError {
			return typeOf(each)
		}
	}
	return plainError
}
