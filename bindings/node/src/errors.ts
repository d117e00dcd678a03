// What can go wrong, as classes. The engine names its errors `WF_CODE: what, with the values`; each code is a class here.

/** Any error of this package. `code` is the engine's, such as WF_NOT_FOUND, or undefined. */
export class WfextError extends Error {
  readonly code: string | undefined;
  constructor(message: string, code?: string) {
    super(message);
    this.name = new.target.name;
    this.code = code;
  }
}

/** The engine refused a call. */
export class EngineError extends WfextError {}
/** The workflow is not this attempt's any more: whoever holds it now goes on with it. Nothing needs to be done. */
export class NotOurs extends EngineError {}
export class LeaseLost extends NotOurs {}
export class Cancelled extends NotOurs {}
export class Paused extends NotOurs {}
export class AlreadySuspended extends NotOurs {}
export class NotFound extends EngineError {}
export class Conflict extends EngineError {}
export class Invalid extends EngineError {}
export class WrongState extends EngineError {}
/** Somebody else holds the workflow. */
export class Leased extends EngineError {}
/** A call where it cannot be made, such as a claim inside of a statement that writes. */
export class WrongContext extends EngineError {}
/** The code took another way than the records of its earlier attempts. */
export class Nondeterminism extends EngineError {}
/** Others hold the file for longer than the busy timeout. The call may be made again. */
export class Busy extends EngineError {}
/** A value that JSON cannot hold; the message names the place in it. */
export class NotJSON extends WfextError {}
/** A step was called where no workflow runs. */
export class OutsideWorkflow extends WfextError {}
/** The code uses this package in a way that no attempt will bring to an end. */
export class Mistake extends WfextError {}
/** Something did not come in time. */
export class TimeoutError extends WfextError {}

/** A step has failed for good, and this is recorded: every replay rejects with the same. */
export class StepFailed extends WfextError {
  readonly step: string;
  readonly error: unknown;
  constructor(step: string, error: unknown) {
    super(`step ${JSON.stringify(step)} failed: ${describe(error)}`);
    this.step = step;
    this.error = error;
  }
}

/** result() of a workflow that has failed. `error` is what was recorded. */
export class WorkflowFailed extends WfextError {
  readonly id: string;
  readonly error: unknown;
  constructor(id: string, error: unknown) {
    super(`workflow ${JSON.stringify(id)} failed: ${describe(error)}`);
    this.id = id;
    this.error = error;
  }
}

/** result() of a workflow that was cancelled. `error` is the reason, if one was given. */
export class WorkflowCancelled extends WfextError {
  readonly id: string;
  readonly error: unknown;
  constructor(id: string, error: unknown) {
    super(`workflow ${JSON.stringify(id)} was cancelled${error == null ? "" : `: ${describe(error)}`}`);
    this.id = id;
    this.error = error;
  }
}

const byCode: Record<string, new (message: string, code?: string) => EngineError> = {
  WF_LEASE_LOST: LeaseLost,
  WF_CANCELLED: Cancelled,
  WF_PAUSED: Paused,
  WF_SUSPENDED: AlreadySuspended,
  WF_NOT_FOUND: NotFound,
  WF_CONFLICT: Conflict,
  WF_INVALID: Invalid,
  WF_STATE: WrongState,
  WF_LEASED: Leased,
  WF_CONTEXT: WrongContext,
  WF_NONDETERMINISM: Nondeterminism,
};

/** One line about a recorded error. */
export function describe(error: unknown): string {
  if (typeof error === "string") return error;
  if (error !== null && typeof error === "object") {
    const { type, code, message } = error as Record<string, unknown>;
    const parts = [type ?? code, message].filter((part) => part != null && part !== "");
    if (parts.length > 0) return parts.join(": ");
  }
  return JSON.stringify(error) ?? String(error);
}

/** The class for the text of an error that SQLite has raised. */
export function translate(text: string): Error {
  const code = /^(WF_[A-Z_]+): /.exec(text)?.[1];
  if (code !== undefined) return new (byCode[code] ?? EngineError)(text, code);
  if (/database( table| schema)? is locked/.test(text)) return new Busy(text, "SQLITE_BUSY");
  return new Error(text);
}

/** Whether a call failed for a reason that is not the workflow's: the file is locked, the disk full. Another attempt may come through. */
export function isOfTheMachine(error: unknown): boolean {
  if (error instanceof WfextError) return error instanceof Busy;
  return error instanceof Error && /disk is full|disk I\/O error|disk image is malformed|out of memory|unable to open database|readonly database|locking protocol|file is not a database|^interrupted$/.test(error.message);
}

/** As an error is recorded. */
export function errorValue(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) return { type: "Error", message: (typeof error === "string" ? error : (JSON.stringify(error) ?? String(error))).toWellFormed() };
  const out: Record<string, unknown> = { type: String(error.name).toWellFormed(), message: String(error.message).toWellFormed() };
  const code = (error as { code?: unknown }).code;
  if (typeof code === "string" || typeof code === "number") out["code"] = code;
  if (error instanceof StepFailed) Object.assign(out, { step: error.step, cause: error.error });
  else if (error instanceof WorkflowFailed || error instanceof WorkflowCancelled) Object.assign(out, { workflow: error.id, cause: error.error });
  else if (error.stack !== undefined) out["stack"] = error.stack.slice(0, 4000).toWellFormed();
  return out;
}

/** Whether another attempt would only come to the same: what is recorded, or a mistake in the code. */
export function isFinal(error: unknown): boolean {
  if (error instanceof NotOurs || error instanceof Busy) return false;
  return [StepFailed, WorkflowFailed, WorkflowCancelled, TimeoutError, NotJSON, Mistake, OutsideWorkflow, EngineError].some((cls) => error instanceof cls);
}
