import { changed, declaredPod, plainPod, type Site } from '../../e2e/attacks/base-pods.ts';
import {
  inject,
  judgeChange,
  judgeCreation,
  judgeLife,
  judgeTaskPolicy,
} from '../../e2e/attacks/rehearsal.ts';
import type { Refusal } from '../../e2e/attacks/refusals.ts';
import { ofKind, readTable, type AttackOf } from '../../e2e/attacks/table.ts';
import { STATIC_CASES } from '../../lib/admission-policies/fixtures/static-cases.ts';
import { staticBreaches } from '../../lib/admission-policies/fixtures/static-breaches.ts';
import type { Pod } from '../../lib/contract/pod.ts';
import { answerOf } from './answers.ts';
import { openAdmission, podRequest } from './admissions.ts';
import { PLATFORMS } from './platforms.ts';

const site: Site = {
  namespace: 'attacks',
  image: 'registry.example/agent:1',
  imagePullPolicy: 'IfNotPresent',
};

const breachesOf = ({ breaches }: Refusal): readonly string[] =>
  breaches.map(({ rule, where }) => `${rule} ${where}`);

const basePod = async ({ of, declare }: AttackOf<'create'>['create']): Promise<Pod> => {
  if (of === 'plain') return plainPod('attack', site);
  const pod = declaredPod('attack', site, declare);
  return of === 'declared' ? pod : inject(pod);
};

type Answer = readonly [name: string, answer: unknown];

const created = async ({ name, create }: AttackOf<'create'>): Promise<Answer> => {
  const pod = changed(await basePod(create), create.patch) as Pod;
  return [name, breachesOf(await judgeCreation(pod))];
};

const changedPod = async ({ name, as, change }: AttackOf<'change'>): Promise<Answer> => {
  const oldPod = await inject(declaredPod('victim', site));
  const groups = as === 'break-glass' ? ['story-break-glass'] : [];
  return [
    name,
    breachesOf(await judgeChange({ pod: changed(oldPod, change.patch), oldPod }, groups)),
  ];
};

const unseen = async ({ name, unseen: { patch } }: AttackOf<'unseen'>): Promise<Answer> => [
  name,
  judgeLife(changed(await inject(declaredPod('unseen', site)), patch)),
];

/** What the attack table is answered in process: every breach with its rule and path. */
export const captureAttacks = async (): Promise<object> => {
  const attacks = readTable();
  const policies = ofKind(attacks, 'request').filter(
    ({ rule }) => rule === 'policies.valetkey.dev',
  );
  const answers = await Promise.all([
    ...ofKind(attacks, 'create').map(created),
    // The API server's own policies decide about status.
    ...ofKind(attacks, 'change')
      .filter(({ change }) => change.through !== 'status')
      .map(changedPod),
    ...ofKind(attacks, 'unseen').map(unseen),
  ]);
  const decided = policies.map(({ name, request }): Answer => [
    name,
    breachesOf(judgeTaskPolicy(request.body)),
  ]);
  return Object.fromEntries([...answers, ...decided]);
};

/** Rules 3 to 6, which are rendered as CEL too: what each pod breaks, and the webhook's answer. */
export const captureStaticCases = async (): Promise<object> => {
  const platform = PLATFORMS['authority-s3'];
  if (platform === undefined) throw new Error('expected a platform');
  const admission = openAdmission(platform);
  const answers = STATIC_CASES.map(async ({ name, level, pod }): Promise<Answer> => {
    const namespace = level === 'baseline' ? 'baseline' : 'research';
    const breaches = staticBreaches(pod, { platform, namespace });
    const excepted = staticBreaches(pod, { platform, namespace: 'excepted' });
    return [
      name,
      {
        breaches,
        excepted,
        validate: answerOf(await admission.validate(podRequest(pod, { namespace }))),
      },
    ];
  });
  return Object.fromEntries(await Promise.all(answers));
};
