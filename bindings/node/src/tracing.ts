// Spans of OpenTelemetry for attempts and steps, where its API is installed (@opentelemetry/api); else nothing.
//
// The context of who starts a workflow travels in its headers (`traceparent`), so that attempts in other processes, days later, belong to the same trace.

import { createRequire } from "node:module";
import type { Claim } from "./attempt.ts";

interface Span {
  recordException(error: unknown): void;
  setStatus(status: { code: number }): void;
  end(): void;
}
/** What is used of the API. */
interface Api {
  ROOT_CONTEXT: unknown;
  SpanStatusCode: { ERROR: number };
  context: { active(): unknown };
  propagation: { inject(context: unknown, carrier: object): void; extract(context: unknown, carrier: object): unknown };
  trace: {
    getActiveSpan(): unknown;
    getTracer(name: string): { startActiveSpan<T>(name: string, options: { attributes: Record<string, string | number> }, context: unknown, work: (span: Span) => T): T };
  };
}

let api: Api | undefined;
try {
  api = createRequire(import.meta.url)("@opentelemetry/api") as Api;
} catch {
  // it is not installed
}

/** Options of a start, whose headers have the context of the present span. */
export function withContext(options: Record<string, unknown>): Record<string, unknown> {
  if (api?.trace.getActiveSpan() === undefined) return options;
  const carrier = {};
  api.propagation.inject(api.context.active(), carrier);
  return { ...options, headers: { ...carrier, ...(options["headers"] as object | undefined) } };
}

function inSpan<T>(name: string, attributes: Record<string, string | number>, context: unknown, work: () => Promise<T>, isError: (value: T) => unknown): Promise<T> {
  return api!.trace.getTracer("wfext").startActiveSpan(name, { attributes }, context, async (span) => {
    const fails = (error: unknown): void => (span.recordException(error), span.setStatus({ code: api!.SpanStatusCode.ERROR }));
    try {
      const value = await work();
      const error = isError(value);
      if (error !== undefined) fails(error);
      return value;
    } catch (error) {
      fails(error);
      throw error;
    } finally {
      span.end();
    }
  });
}

const names = (claim: Claim): Record<string, string | number> => ({ "wfext.workflow.id": claim.id, "wfext.workflow.name": claim.name, "wfext.attempt": claim.attempt });

/** The span of an attempt, which ends in an error where isError says so. */
export function inAttempt<T>(claim: Claim, work: () => Promise<T>, isError: (value: T) => unknown): Promise<T> {
  if (api === undefined) return work();
  return inSpan(`workflow ${claim.name}`, names(claim), api.propagation.extract(api.ROOT_CONTEXT, claim.headers ?? {}), work, isError);
}

/** The span of one try of a step. */
export function inStep<T>(claim: Claim, step: string, kind: string, work: () => Promise<T>): Promise<T> {
  if (api === undefined) return work();
  return inSpan(`${kind} ${step}`, { ...names(claim), "wfext.step": step, "wfext.step.kind": kind }, api.context.active(), work, () => undefined);
}
