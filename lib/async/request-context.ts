import { AsyncLocalStorage } from 'node:async_hooks';

/** The ID of the request in whose course code runs. As an argument it would pass through every step. */
const requestIds = new AsyncLocalStorage<string>();

/** Runs an action, and what it awaits, in the course of a request. */
export const runWithRequestId = <T>(requestId: string, action: () => T): T =>
  requestIds.run(requestId, action);

/** @returns undefined outside of a request */
export const getRequestId = (): string | undefined => requestIds.getStore();

/** Runs what a request may start, but what is not part of it: later passes would have its ID as well. */
export const runOutsideRequest = <T>(action: () => T): T => requestIds.exit(action);
