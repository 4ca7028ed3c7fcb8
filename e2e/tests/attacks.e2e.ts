import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Pod } from '../../lib/contract/pod.ts';
import { expectStatedRefusal } from '../attacks/refusal-expectations.ts';
import { createApiServerClient } from '../attacks/api-server-client.ts';
import { applyOperations, buildDeclaredPod, buildPlainPod } from '../attacks/base-pods.ts';
import { createAttackSetup, EDITOR, buildPodsPath } from '../attacks/attack-setup.ts';
import type { AttackSetup } from '../attacks/attack-setup.ts';
import { buildCaller, ATTACK_LABEL } from '../attacks/attack-users.ts';
import { accessPort } from '../attacks/port-access.ts';
import { parseRefusal } from '../attacks/admission-refusals.ts';
import type { ApiStatus } from '../attacks/admission-refusals.ts';
import { isTokenAvailable, obtainToken } from '../attacks/stolen-tokens.ts';
import { filterAttacksByKind, readAttackTable } from '../attacks/attack-table.ts';
import type { AttackByKind } from '../attacks/attack-table.ts';
import {
  expectNoCredentials,
  expectNoRole,
  useCredentials,
} from '../attacks/stolen-credentials.ts';
import { waitForPod } from '../cluster/kubectl.ts';
import { waitForRefusalRecord } from './authority/audit-records.ts';
import { callSidecarWithRetry, cluster, expectRead, testContext } from './test-context.ts';
import type { PodRef } from './test-context.ts';

const { namespace: home } = testContext.release;
const attacks = readAttackTable();
const toNamedCases = <A extends { readonly name: string }>(all: readonly A[]) =>
  all.map((each) => [each.name, each] as const);

describe('an attacker who may edit in a namespace', () => {
  const api = createApiServerClient(cluster);
  const { call } = api;
  let setup: AttackSetup;
  let below: string;

  beforeAll(async () => {
    setup = await createAttackSetup({ call }, attacks);
    below = `/api/v1/namespaces/${setup.podDefaults.namespace}`;
  });

  afterAll(() => setup.release());

  type Injected = { metadata: object; spec: { initContainers?: { name: string }[] } };

  const read = async <T>(path: string): Promise<T> =>
    (await call(undefined, { method: 'GET', path })).body as T;

  const isThere = async (path: string) =>
    (await call(undefined, { method: 'GET', path })).status !== 404;

  const create = (namespace: string, body: unknown, query = '') =>
    call(EDITOR, { method: 'POST', path: `${buildPodsPath(namespace)}${query}`, body });

  /** Converts the base pod into a pod of this namespace. */
  const injectedPod = async (name: string): Promise<Pod> => {
    const { namespace } = setup.podDefaults;
    const pod = buildDeclaredPod(name, setup.podDefaults);
    const { body } = await create(namespace, pod, '?dryRun=All');
    const { metadata, spec } = body as Required<Pick<Pod, 'metadata' | 'spec'>>;
    const { labels = {}, annotations = {} } = metadata;
    return {
      ...{ apiVersion: 'v1', kind: 'Pod' },
      metadata: { name, namespace, labels, annotations },
      spec,
    };
  };

  const basePod = async ({ of, declare }: AttackByKind<'create'>['create']): Promise<Pod> => {
    if (of === 'injected') return injectedPod('attack');
    const { podDefaults } = setup;
    return of === 'plain'
      ? buildPlainPod('attack', podDefaults)
      : buildDeclaredPod('attack', podDefaults, declare);
  };

  describe('may edit pods in the namespace', () => {
    it.each(['victim', 'terminating', 'waiting'])('gets its pod injected: %s', (pod) => {
      if (setup.createResponses[pod] === undefined) return;
      expect(setup.createResponses[pod]).toMatchObject({ status: 201 });
      const { spec } = setup.createResponses[pod].body as Injected;
      expect(spec.initContainers?.map(({ name }) => name)).toEqual(['valetkey-sidecar']);
    });

    it.each(['plain', 'declared', 'injected'] as const)(
      'may create the unchanged base pod, so only the change of an attack is refused: %s',
      async (of) => {
        const pod = await basePod({ of, patch: [] });
        const answer = await create(setup.podDefaults.namespace, pod, '?dryRun=All');
        expect(answer).toMatchObject({ status: 201 });
      },
    );

    it('may not edit in another namespace', async () => {
      const answer = await create('default', buildDeclaredPod('attack', setup.podDefaults));
      expect(answer).toMatchObject({ status: 403 });
      expect(parseRefusal(answer.body as ApiStatus).breaches).toEqual([]);
    });
  });

  describe('cannot create a pod in which', () => {
    /** The service account of a pod in another namespace. */
    const movedTo = (namespace: string, pod: unknown) =>
      applyOperations(pod, [
        { op: 'replace', path: '/metadata/namespace', value: namespace },
        { op: 'replace', path: '/spec/serviceAccountName', value: 'default' },
      ]);

    it.each(toNamedCases(filterAttacksByKind(attacks, 'create')))('%s', async (_name, attack) => {
      const pod = applyOperations(await basePod(attack.create), attack.create.patch);
      const namespace = attack.create.in ?? setup.podDefaults.namespace;
      const isAway = attack.create.in !== undefined;
      const answer = await create(namespace, isAway ? movedTo(namespace, pod) : pod);
      expectStatedRefusal(attack, parseRefusal(answer.body as ApiStatus));
      expect(await isThere(`${buildPodsPath(namespace)}/attack`)).toBe(false);
    });
  });

  describe('cannot change a running pod:', () => {
    const remembered = async () => {
      const { metadata, spec } = await read<Pod>(
        `${buildPodsPath(setup.podDefaults.namespace)}/victim`,
      );
      return { labels: metadata?.labels, annotations: metadata?.annotations, spec };
    };

    it.each(toNamedCases(filterAttacksByKind(attacks, 'change')))('%s', async (_name, attack) => {
      const { through, patch } = attack.change;
      const before = await remembered();
      const answer = await call(buildCaller(attack), {
        method: 'PATCH',
        path: [`${buildPodsPath(setup.podDefaults.namespace)}/victim`, through]
          .filter(Boolean)
          .join('/'),
        body: patch,
        type: 'application/json-patch+json',
      });
      expectStatedRefusal(attack, parseRefusal(answer.body as ApiStatus));
      expect(await remembered()).toEqual(before);
    });
  });

  describe('is refused', () => {
    it.each(toNamedCases(filterAttacksByKind(attacks, 'request')))('%s', async (_name, attack) => {
      const { method, path: given, body } = attack.request;
      const path = given.startsWith('/') ? given : `${below}/${given}`;
      const answer = await call(buildCaller(attack), { method, path, body });
      expectStatedRefusal(attack, parseRefusal(answer.body as ApiStatus));
      const { name } = (body?.['metadata'] ?? {}) as { name?: string };
      const object = `${path}/${name ?? ''}`;
      if (given.startsWith('/')) expect(await isThere(object)).toBe(false);
    });
  });

  describe('gains nothing from', () => {
    let ended: Readonly<Record<string, string>>;

    beforeAll(async () => {
      const { agent, neighbor } = setup.pods;
      [ended] = await Promise.all([
        setup.endedTokens(),
        ...[agent, neighbor].map((place) => waitForPod(cluster, place)),
      ]);
    });

    it.each(toNamedCases(filterAttacksByKind(attacks, 'reach')))('%s', async (_name, attack) => {
      const said = await accessPort(attack, { ...api, namespace: setup.podDefaults.namespace });
      expect(said.code).toBe(attack.rule);
      expect(said.message).toContain(attack.message ?? '');
    });

    const exchanges = filterAttacksByKind(attacks, 'exchange').filter(isTokenAvailable);

    it.each(toNamedCases(exchanges))('%s', async (_name, attack) => {
      const { pods } = setup;
      const source = { call, editor: EDITOR, agent: pods.agent, ended };
      const token = await obtainToken(attack.exchange, source);
      if (attack.exchange.to === 'cloud') return expectNoRole(attack, token);
      return expectNoCredentials(attack, { token, places: pods });
    });

    it.each(toNamedCases(filterAttacksByKind(attacks, 'use')))('%s', async (_name, attack) => {
      const answer = await useCredentials(attack, setup.pods);
      expect(answer).toMatchObject({ status: 403, code: attack.rule });
    });

    it('does not stop the pod itself from being served', async () => {
      await expectRead(setup.pods.agent);
    });
  });

  describe('who bypasses the webhooks gains nothing from', () => {
    const unadmitted = filterAttacksByKind(attacks, 'unadmitted');
    const places = new Map<string, PodRef>();

    /** Both webhooks exclude the release namespace, so pods there are as if created before installation. */
    const createUnadmitted = async (
      { name, unadmitted: { patch } }: AttackByKind<'unadmitted'>,
      index: number,
    ) => {
      const pod = `unadmitted-${index}`;
      const copy = applyOperations(await injectedPod(pod), [
        { op: 'replace', path: '/metadata/namespace', value: home },
        { op: 'replace', path: '/spec/serviceAccountName', value: 'default' },
        { op: 'remove', path: '/spec/serviceAccount' },
        { op: 'add', path: `/metadata/labels/${ATTACK_LABEL.replace('/', '~1')}`, value: 'true' },
        ...patch,
      ]);
      expect(await create(home, copy)).toMatchObject({ status: 201 });
      places.set(name, { namespace: home, pod });
    };

    beforeAll(async () => {
      for (const [index, attack] of unadmitted.entries()) await createUnadmitted(attack, index);
      await Promise.all([...places.values()].map((place) => waitForPod(cluster, place)));
    });

    it.each(toNamedCases(unadmitted))('%s', async (name, { rule, path = '' }) => {
      const place = places.get(name);
      if (place === undefined) throw new Error('no such pod');
      const task = '/v1/tasks/read/credentials';
      const answer = await callSidecarWithRetry<{ Message: string }>(place, 'GET', task);
      expect(answer).toMatchObject({ status: 403, body: { Code: rule } });
      expect(answer.body.Message).toContain(path);
      expect(await waitForRefusalRecord(place, rule)).toMatchObject({
        class_uid: 3003,
        status_id: 2,
      });
    });
  });

  it('leaves no object in the release namespace', async () => {
    type Listed = { items: { metadata: { name: string }; spec: { nodeName?: string } }[] };
    const { items } = await read<Listed>(buildPodsPath(setup.podDefaults.namespace));
    const made = Object.keys(setup.createResponses).filter((name) => name !== 'deleted');
    expect(items.map(({ metadata }) => metadata.name).sort()).toEqual(made.sort());
    const waiting = items.find(({ metadata }) => metadata.name === 'waiting');
    expect(waiting?.spec.nodeName).toBeUndefined();
  });
});
