import { describe, expect, it } from '@jest/globals';
import type { CloudEvent } from '../test/fakes/cloud/embedded-cloud.ts';
import type { StepReport } from './agent-calls.ts';
import { ASKED_STEPS, buildApprovalLines, type OwnApproval } from './approval-lines.ts';

const NAMES = [
  'a run that waits for a yes',
  'a write that waits for a yes',
  'the agent approves its own write',
  'the same write changed',
  'the approved write once more',
];

const askFor = (digit: string): string =>
  `ask people: kubectl valetkey approve -n default ar-${digit.repeat(20)}`;
const waiting = (digit: string): Partial<StepReport> => ({
  ...{ status: 403, code: 'AccessDenied', requestId: `of-the-gateway-${digit}` },
  message: `valetkey: ${askFor(digit)} (approval_pending)`,
});

/** By step and repetition. */
type Reports = Readonly<Record<string, Partial<StepReport>>>;

const REPORTS: Reports = {
  [`${ASKED_STEPS.report} 0`]: { status: 202, code: 'approval_pending', message: askFor('a') },
  [`${ASKED_STEPS.collected} 0`]: { status: 200, requestId: 'read' },
  [`${ASKED_STEPS.write} 0`]: waiting('b'),
  [`${ASKED_STEPS.write} 1`]: { status: 200, requestId: 'written' },
  [`${ASKED_STEPS.changed} 0`]: waiting('c'),
  [`${ASKED_STEPS.write} 2`]: waiting('b'),
};

const answer = { service: 's3', status: 200, at: 0, sourceIp: '192.0.2.1' } as const;
const [, written] = ASKED_STEPS.write.split(' ');
const write = { ...answer, method: 'PUT', path: `/${written}`, requestId: 'written' } as const;
const EVENTS: readonly CloudEvent[] = [
  { ...answer, method: 'GET', path: '/acme-data/customers/globex/q3.csv', requestId: 'read' },
  write,
];

const REFUSED: OwnApproval = {
  code: 1,
  lastLog: 'spec.by: expected a person, got a service account or a node',
  stored: 0,
  storedLater: 1,
};

type Given = {
  readonly reports?: Reports;
  readonly own?: Partial<OwnApproval>;
  readonly events?: readonly CloudEvent[];
};

/** @returns names of the lines that differ */
const listDiffering = ({ reports = {}, own = {}, events = EVENTS }: Given = {}) => {
  const find = (step: string, repetition = 0): StepReport => {
    const key = `${step} ${repetition}`;
    return { status: 0, milliseconds: 1, ...REPORTS[key], ...reports[key], step };
  };
  const lines = buildApprovalLines(find, { ...REFUSED, ...own }, events);
  expect(lines.map(({ name }) => name)).toEqual(NAMES);
  return lines.filter(({ met }) => !met).map(({ name }) => name);
};

const [RUN, WRITE, OWN, CHANGED, AGAIN] = NAMES;

describe('buildApprovalLines', () => {
  it('is as expected if each act waited, and passed once after people approved it', () => {
    expect(listDiffering()).toEqual([]);
  });

  it.each<[string, Given, readonly (string | undefined)[]]>([
    [
      'the run started without people',
      { reports: { [`${ASKED_STEPS.report} 0`]: { status: 200 } } },
      [RUN],
    ],
    [
      'the approved run was not collected',
      { reports: { [`${ASKED_STEPS.collected} 0`]: { status: 202, requestId: 'none' } } },
      [RUN],
    ],
    [
      'the write was refused for another reason',
      {
        reports: {
          [`${ASKED_STEPS.write} 0`]: {
            message: `valetkey: ${askFor('b')} (action_outside)`,
          },
        },
      },
      [WRITE],
    ],
    [
      'the approved write was refused',
      { reports: { [`${ASKED_STEPS.write} 1`]: waiting('b') }, events: EVENTS.slice(0, 1) },
      [WRITE, CHANGED, AGAIN],
    ],
    ['the agent approved its own write', { own: { code: 0, stored: 1 } }, [OWN]],
    ['its Approval was stored in spite of the error', { own: { stored: 1 } }, [OWN]],
    ['no Approval is ever found', { own: { storedLater: 0 } }, [OWN]],
    ['its approval failed for another reason', { own: { lastLog: 'connection refused' } }, [OWN]],
    [
      'the changed write passed',
      {
        reports: { [`${ASKED_STEPS.changed} 0`]: { status: 200, requestId: 'changed' } },
        events: [...EVENTS, { ...write, requestId: 'changed' }],
      },
      [CHANGED, AGAIN],
    ],
    [
      'the changed write has the request that people approved',
      { reports: { [`${ASKED_STEPS.changed} 0`]: waiting('b') } },
      [CHANGED],
    ],
    [
      'the approval was used twice',
      {
        reports: { [`${ASKED_STEPS.write} 2`]: { status: 200, requestId: 'again' } },
        events: [...EVENTS, { ...write, requestId: 'again' }],
      },
      [CHANGED, AGAIN],
    ],
  ])('differs if %s', (_, given, differing) => {
    expect(listDiffering(given)).toEqual(differing);
  });
});
