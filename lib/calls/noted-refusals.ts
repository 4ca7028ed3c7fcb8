import type { RefusalMemory } from '../runs/refusal-memory.ts';
import type { CallAuthorization } from './call-authorization.ts';
import { CALL_REFUSALS, type CallRefusal } from './call-refusals.ts';
import type { CallRun } from './call-runs.ts';
import { findProposal } from './proposed-right.ts';

/** What is known of a call when it is refused. */
export type NotedCall = {
  readonly id: string;
  readonly consumer: string | undefined;
  readonly run?: Pick<CallRun, 'task' | 'allow'> | undefined;
  readonly authorization?: CallAuthorization | undefined;
};

/** Remembers a refusal. @returns it, with a message that says what the consumer may propose */
export type NoteRefusal = (call: NotedCall, refusal: CallRefusal) => CallRefusal;

/** Creates what remembers refused calls for their consumers. What a busy gateway refuses is not kept. */
export const createRefusalNotes =
  (memory: Pick<RefusalMemory, 'remember'>): NoteRefusal =>
  ({ id, consumer, run, authorization }, refusal) => {
    const { code, message, approval } = refusal;
    if (consumer === undefined || 'retryAfter' in CALL_REFUSALS[code]) return refusal;
    const proposal =
      run !== undefined && authorization !== undefined
        ? findProposal(code, authorization, { name: run.task, allow: run.allow })
        : undefined;
    const shown = memory.remember(consumer, id, {
      code,
      message,
      ...(approval !== undefined && { approval }),
      ...(proposal !== undefined && { proposal }),
    });
    return { ...refusal, message: shown };
  };
