import {
  applyOperations,
  buildDeclaredPod,
  buildPlainPod,
  type PodDefaults,
} from '../../e2e/attacks/base-pods.ts';
import {
  injectPod,
  evaluatePodUpdate,
  evaluatePodCreation,
  checkRunningPod,
  evaluateTaskPolicy,
} from '../kit/attack-admission.ts';
import type { AdmissionRefusal } from '../../e2e/attacks/admission-refusals.ts';
import {
  filterAttacksByKind,
  readAttackTable,
  type AttackByKind,
} from '../../e2e/attacks/attack-table.ts';
import { STATIC_CASES } from '../kit/static-cases.ts';
import { listStaticViolations } from '../kit/static-violations.ts';
import type { Pod } from '../../lib/contract/pod.ts';
import { captureAnswer } from './answers.ts';
import { buildPodRequest } from '../kit/in-process-admission.ts';
import { createAdmission } from './admissions.ts';
import { PLATFORMS } from './platforms.ts';

const site: PodDefaults = {
  namespace: 'attacks',
  image: 'registry.example/agent:1',
  imagePullPolicy: 'IfNotPresent',
};

const listViolations = ({ breaches }: AdmissionRefusal): readonly string[] =>
  breaches.map(({ rule, where }) => `${rule} ${where}`);

const basePod = async ({ of, declare }: AttackByKind<'create'>['create']): Promise<Pod> => {
  if (of === 'plain') return buildPlainPod('attack', site);
  const pod = buildDeclaredPod('attack', site, declare);
  return of === 'declared' ? pod : injectPod(pod);
};

type Answer = readonly [name: string, answer: unknown];

const created = async ({ name, create }: AttackByKind<'create'>): Promise<Answer> => {
  const pod = applyOperations(await basePod(create), create.patch) as Pod;
  return [name, listViolations(await evaluatePodCreation(pod))];
};

const changedPod = async ({ name, as, change }: AttackByKind<'change'>): Promise<Answer> => {
  const oldPod = await injectPod(buildDeclaredPod('victim', site));
  const groups = as === 'break-glass' ? ['e2e-break-glass'] : [];
  return [
    name,
    listViolations(
      await evaluatePodUpdate({ pod: applyOperations(oldPod, change.patch), oldPod }, groups),
    ),
  ];
};

const captureUnadmitted = async ({
  name,
  unadmitted: { patch },
}: AttackByKind<'unadmitted'>): Promise<Answer> => [
  name,
  checkRunningPod(applyOperations(await injectPod(buildDeclaredPod('unadmitted', site)), patch)),
];

/** What the attack table is answered in process: every breach with its rule and path. */
export const captureAttacks = async (): Promise<object> => {
  const attacks = readAttackTable();
  const policies = filterAttacksByKind(attacks, 'request').filter(
    ({ rule }) => rule === 'policies.valetkey.dev',
  );
  const answers = await Promise.all([
    ...filterAttacksByKind(attacks, 'create').map(created),
    // The API server's own policies decide about status.
    ...filterAttacksByKind(attacks, 'change')
      .filter(({ change }) => change.through !== 'status')
      .map(changedPod),
    ...filterAttacksByKind(attacks, 'unadmitted').map(captureUnadmitted),
  ]);
  const decided = policies.map(({ name, request }): Answer => [
    name,
    listViolations(evaluateTaskPolicy(request.body)),
  ]);
  return Object.fromEntries([...answers, ...decided]);
};

/** Rules 3 to 6, which are rendered as CEL too: what each pod breaks, and the webhook's answer. */
export const captureStaticCases = async (): Promise<object> => {
  const platform = PLATFORMS['authority-s3'];
  if (platform === undefined) throw new Error('expected a platform');
  const admission = createAdmission(platform);
  const answers = STATIC_CASES.map(async ({ name, level, pod }): Promise<Answer> => {
    const namespace = level === 'baseline' ? 'baseline' : 'research';
    const breaches = listStaticViolations(pod, { platform, namespace });
    const excepted = listStaticViolations(pod, { platform, namespace: 'excepted' });
    return [
      name,
      {
        breaches,
        excepted,
        validate: captureAnswer(await admission.validate(buildPodRequest(pod, { namespace }))),
      },
    ];
  });
  return Object.fromEntries(await Promise.all(answers));
};
