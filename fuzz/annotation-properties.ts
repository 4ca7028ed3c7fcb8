import assert from 'node:assert/strict';
import fc from 'fast-check';
import { MAX_TASK_BYTES } from '../lib/contract/task.ts';
import { createWorkerClient } from './worker-client.ts';
import { createProperty, type Property } from './property.ts';

/** `steps` as workers/steps.ts counts them. */
type StepCount = { readonly steps: number; readonly outcome: string };

const reader = createWorkerClient<StepCount>('steps');

/**
 * Steps that any text may take, and those that each of its bytes may. The first are the catalogue's:
 * a wildcard is held against every action of its service, however short it is.
 */
const MAX_BASE_STEPS = 3_000_000;
const MAX_STEPS_PER_BYTE = 1_500;

const HEAD = 'role: arn:aws:iam::111122223333:role/agent-reports\n';

/** What is repeated, in a frame that gives it meaning. */
const FRAMES = [
  ['', ''],
  [HEAD, ''],
  [`${HEAD}allow:\n  - actions: [`, ']\n    resources: ["*"]\n'],
  [`${HEAD}allow:\n  - actions: [s3:GetObject]\n    resources: [`, ']\n'],
  [`${HEAD}allow: [`, ']\n'],
  [`${HEAD}params: {`, '}\n'],
  [`${HEAD}purpose: "`, '"\n'],
] as const;

const UNITS = [
  ...[
    '[',
    '{',
    '- ',
    '? ',
    ': ',
    '&a ',
    '*a ',
    '!!x ',
    '| ',
    '>\n',
    '"',
    "'",
    '\n ',
    '\n\n',
    '#',
    '\t',
  ],
  ...[
    'a: b\n',
    '- a\n',
    'a: {b: c}\n',
    '%',
    '---\n',
    '...\n',
    '<<: *a\n',
    '{a: ',
    '[[[',
    '? ? ',
    '- - ',
  ],
  ...['"s3:Get*",', 's3:x,', 'iam:*,', 'nosuch:thing,', '"ec2:*a*b*c*d*",', '"s3:*a*a*a*a*b",'],
  ...['"arn:aws:s3:::a*a*a*a*b",', '"*",', '"arn:aws:s3:::{a}",', 'a{9}', '(a*)*', 'x: "(a+)+$",'],
  ...['\\u0041', '\\x', 'é', '\ud83d\ude00', '${x}', '{actions: [s3:Get*], resources: ["*"]},'],
] as const;

const piece = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom<string>(...UNITS) },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 6 }) },
);

const anyText = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 300 }),
  fc.array(piece, { maxLength: 60 }).map((pieces) => pieces.join('')),
  fc
    .tuple(fc.constantFrom(...FRAMES), fc.array(piece, { maxLength: 40 }))
    .map(([[before, after], pieces]) => before + pieces.join('') + after),
);

const readsAnyText = createProperty('any annotation text: a task or faults, in bounded steps', {
  runs: 60,
  inputs: anyText,
  holds: async (text) => {
    const { steps, outcome } = await reader.ask(text);
    assert.match(outcome, /^(task|faults)$/);
    const most = MAX_BASE_STEPS + MAX_STEPS_PER_BYTE * Buffer.byteLength(text);
    assert.ok(steps <= most, `${steps} steps, at most ${most}`);
  },
});

const fillFrame = (
  unit: string,
  [before, after]: readonly [string, string],
  bytes: number,
): string => {
  const remainingBytes = bytes - Buffer.byteLength(before + after);
  const times = Math.max(0, Math.floor(remainingBytes / Buffer.byteLength(unit)));
  return before + unit.repeat(times) + after;
};

/** Twice the text takes twice the steps, and a little more where it reaches what is done but once. */
const growsLinearly = createProperty(
  'twice the annotation takes no more than about twice the steps',
  {
    runs: 12,
    inputs: fc.tuple(
      fc.array(piece, { minLength: 1, maxLength: 3 }).map((pieces) => pieces.join('') || 'x'),
      fc.constantFrom(...FRAMES),
    ),
    holds: async ([unit, frame]) => {
      const half = await reader.ask(fillFrame(unit, frame, MAX_TASK_BYTES / 2));
      const whole = await reader.ask(fillFrame(unit, frame, MAX_TASK_BYTES));
      assert.ok(
        whole.steps <= 2.5 * half.steps + 100_000,
        `${half.steps} steps for half of it, ${whole.steps} for all`,
      );
    },
  },
);

export const annotationProperties: readonly Property[] = [
  readsAnyText,
  { ...growsLinearly, close: reader.close },
];
