import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Pod } from '../../lib/contract/pod.ts';
import { expectAnswer } from '../attacks/answers.ts';
import { openApiServer } from '../attacks/api-server.ts';
import { changed, declaredPod, plainPod } from '../attacks/base-pods.ts';
import { besiege, EDITOR, podsIn } from '../attacks/besieged.ts';
import type { Besieged } from '../attacks/besieged.ts';
import { callerOf, OWN_LABEL } from '../attacks/editors.ts';
import { reach } from '../attacks/reaching.ts';
import { refusalIn } from '../attacks/refusals.ts';
import type { Status } from '../attacks/refusals.ts';
import { isWithinReach, takeToken } from '../attacks/stolen-tokens.ts';
import { ofKind, readTable } from '../attacks/table.ts';
import type { AttackOf } from '../attacks/table.ts';
import { expectNoCredentials, expectNoRole, useCredentials } from '../attacks/thefts.ts';
import { waitForPod } from '../cluster/kubectl.ts';
import { findRefusalOf } from './authority/records.ts';
import { askPatiently, cluster, expectRead, stage } from './stage.ts';
import type { Place } from './stage.ts';

const { namespace: home } = stage.release;
const attacks = readTable();
const named = <A extends { readonly name: string }>(all: readonly A[]) =>
  all.map((each) => [each.name, each] as const);

describe('a semi-trusted editor of a namespace', () => {
  const api = openApiServer(cluster);
  const { call } = api;
  let besieged: Besieged;
  let below: string;

  beforeAll(async () => {
    besieged = await besiege({ call }, attacks);
    below = `/api/v1/namespaces/${besieged.site.namespace}`;
  });

  afterAll(() => besieged.release());

  type Injected = { metadata: object; spec: { initContainers?: { name: string }[] } };

  const read = async <T>(path: string): Promise<T> =>
    (await call(undefined, { method: 'GET', path })).body as T;

  const isThere = async (path: string) =>
    (await call(undefined, { method: 'GET', path })).status !== 404;

  const create = (namespace: string, body: unknown, query = '') =>
    call(EDITOR, { method: 'POST', path: `${podsIn(namespace)}${query}`, body });

  /** As it would be made of the base pod, were it a real one. */
  const injectedPod = async (name: string): Promise<Pod> => {
    const { namespace } = besieged.site;
    const pod = declaredPod(name, besieged.site);
    const { body } = await create(namespace, pod, '?dryRun=All');
    const { metadata, spec } = body as Required<Pick<Pod, 'metadata' | 'spec'>>;
    const { labels = {}, annotations = {} } = metadata;
    return {
      ...{ apiVersion: 'v1', kind: 'Pod' },
      metadata: { name, namespace, labels, annotations },
      spec,
    };
  };

  const basePod = async ({ of, declare }: AttackOf<'create'>['create']): Promise<Pod> => {
    if (of === 'injected') return injectedPod('attack');
    const { site } = besieged;
    return of === 'plain' ? plainPod('attack', site) : declaredPod('attack', site, declare);
  };

  describe('may edit', () => {
    test.each(['victim', 'closing', 'waiting'])('and its pod is injected: %s', (pod) => {
      if (besieged.made[pod] === undefined) return;
      expect(besieged.made[pod]).toMatchObject({ status: 201 });
      const { spec } = besieged.made[pod].body as Injected;
      expect(spec.initContainers?.map(({ name }) => name)).toEqual(['valetkey-sidecar']);
    });

    test.each(['plain', 'declared', 'injected'] as const)(
      'so that nothing but an attack’s change stands in its way: %s',
      async (of) => {
        const pod = await basePod({ of, patch: [] });
        const answer = await create(besieged.site.namespace, pod, '?dryRun=All');
        expect(answer).toMatchObject({ status: 201 });
      },
    );

    test('nowhere else', async () => {
      const answer = await create('default', declaredPod('attack', besieged.site));
      expect(answer).toMatchObject({ status: 403 });
      expect(refusalIn(answer.body as Status).breaches).toEqual([]);
    });
  });

  describe('makes no pod in which', () => {
    /** Where its account is another namespace's. */
    const movedTo = (namespace: string, pod: unknown) =>
      changed(pod, [
        { op: 'replace', path: '/metadata/namespace', value: namespace },
        { op: 'replace', path: '/spec/serviceAccountName', value: 'default' },
      ]);

    test.each(named(ofKind(attacks, 'create')))('%s', async (_name, attack) => {
      const pod = changed(await basePod(attack.create), attack.create.patch);
      const namespace = attack.create.in ?? besieged.site.namespace;
      const isAway = attack.create.in !== undefined;
      const answer = await create(namespace, isAway ? movedTo(namespace, pod) : pod);
      expectAnswer(attack, refusalIn(answer.body as Status));
      expect(await isThere(`${podsIn(namespace)}/attack`)).toBe(false);
    });
  });

  describe('gives a running pod no', () => {
    const remembered = async () => {
      const { metadata, spec } = await read<Pod>(`${podsIn(besieged.site.namespace)}/victim`);
      return { labels: metadata?.labels, annotations: metadata?.annotations, spec };
    };

    test.each(named(ofKind(attacks, 'change')))('%s', async (_name, attack) => {
      const { through, patch } = attack.change;
      const before = await remembered();
      const answer = await call(callerOf(attack), {
        method: 'PATCH',
        path: [`${podsIn(besieged.site.namespace)}/victim`, through].filter(Boolean).join('/'),
        body: patch,
        type: 'application/json-patch+json',
      });
      expectAnswer(attack, refusalIn(answer.body as Status));
      expect(await remembered()).toEqual(before);
    });
  });

  describe('asks in vain for', () => {
    test.each(named(ofKind(attacks, 'request')))('%s', async (_name, attack) => {
      const { method, path: given, body } = attack.request;
      const path = given.startsWith('/') ? given : `${below}/${given}`;
      const answer = await call(callerOf(attack), { method, path, body });
      expectAnswer(attack, refusalIn(answer.body as Status));
      const { name } = (body?.['metadata'] ?? {}) as { name?: string };
      const object = `${path}/${name ?? ''}`;
      if (given.startsWith('/')) expect(await isThere(object)).toBe(false);
    });
  });

  describe('against what runs gains nothing by', () => {
    let ended: Readonly<Record<string, string>>;

    beforeAll(async () => {
      const { agent, neighbour } = besieged.places;
      [ended] = await Promise.all([
        besieged.endedTokens(),
        ...[agent, neighbour].map((place) => waitForPod(cluster, place)),
      ]);
    });

    test.each(named(ofKind(attacks, 'reach')))('%s', async (_name, attack) => {
      const said = await reach(attack, { ...api, namespace: besieged.site.namespace });
      expect(said.code).toBe(attack.rule);
      expect(said.message).toContain(attack.words ?? '');
    });

    const exchanges = ofKind(attacks, 'exchange').filter(isWithinReach);

    test.each(named(exchanges))('%s', async (_name, attack) => {
      const { places } = besieged;
      const source = { call, editor: EDITOR, agent: places.agent, ended };
      const token = await takeToken(attack.exchange, source);
      if (attack.exchange.to === 'cloud') return expectNoRole(attack, token);
      return expectNoCredentials(attack, { token, places });
    });

    test.each(named(ofKind(attacks, 'use')))('%s', async (_name, attack) => {
      const answer = await useCredentials(attack, besieged.places);
      expect(answer).toMatchObject({ status: 403, code: attack.rule });
    });

    test('while the pod itself is served', async () => {
      await expectRead(besieged.places.agent);
    });
  });

  describe('past the webhooks gains nothing by', () => {
    const unseen = ofKind(attacks, 'unseen');
    const places = new Map<string, Place>();

    /** Both webhooks leave our own namespace alone, as they left what was there before them. */
    const makeUnseen = async ({ name, unseen: { patch } }: AttackOf<'unseen'>, index: number) => {
      const pod = `unseen-${index}`;
      const copy = changed(await injectedPod(pod), [
        { op: 'replace', path: '/metadata/namespace', value: home },
        { op: 'replace', path: '/spec/serviceAccountName', value: 'default' },
        { op: 'remove', path: '/spec/serviceAccount' },
        { op: 'add', path: `/metadata/labels/${OWN_LABEL.replace('/', '~1')}`, value: 'true' },
        ...patch,
      ]);
      expect(await create(home, copy)).toMatchObject({ status: 201 });
      places.set(name, { namespace: home, pod });
    };

    beforeAll(async () => {
      for (const [index, attack] of unseen.entries()) await makeUnseen(attack, index);
      await Promise.all([...places.values()].map((place) => waitForPod(cluster, place)));
    });

    test.each(named(unseen))('%s', async (name, { rule, path = '' }) => {
      const place = places.get(name);
      if (place === undefined) throw new Error('no such pod');
      const task = '/v1/tasks/read/credentials';
      const answer = await askPatiently<{ Message: string }>(place, 'GET', task);
      expect(answer).toMatchObject({ status: 403, body: { Code: rule } });
      expect(answer.body.Message).toContain(path);
      expect(await findRefusalOf(place, rule)).toMatchObject({ class_uid: 3003, status_id: 2 });
    });
  });

  test('leaves nothing behind', async () => {
    type Listed = { items: { metadata: { name: string }; spec: { nodeName?: string } }[] };
    const { items } = await read<Listed>(podsIn(besieged.site.namespace));
    const made = Object.keys(besieged.made).filter((name) => name !== 'deleted');
    expect(items.map(({ metadata }) => metadata.name).sort()).toEqual(made.sort());
    const waiting = items.find(({ metadata }) => metadata.name === 'waiting');
    expect(waiting?.spec.nodeName).toBeUndefined();
  });
});
