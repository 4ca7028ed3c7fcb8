import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Page } from 'puppeteer-core';
import { REQUEST_NAME, SAMPLE_REQUEST } from '../../../test/kit/approval-cases.ts';
import { APPROVER, buildApprovalRights, REQUESTER } from '../../../test/kit/approval-rights.ts';
import { waitFor } from '../../../test/kit/retry.ts';
import { applyObjects, getJson, runKubectl } from '../../cluster/kubectl.ts';
import { recordMeasurement } from '../../measurements.ts';
import {
  callSidecarWithRetry,
  cluster,
  createNamespace,
  readReports,
  runPod,
  testContext,
} from '../test-context.ts';
import type { Declaration, PodRef } from '../test-context.ts';
import { authorityLabel } from './authority-requests.ts';
import {
  clickThrough,
  evaluateText,
  readText,
  REBOUND_HOST,
  startBrowser,
  startHostilePage,
  takeScreenshot,
  visit,
  type TestBrowser,
} from './console-browser.ts';
import { createPluginUsers, type RunningConsole } from './plugin-users.ts';
import { buildTaskPolicy, deletePolicies, waitForPolicyCondition } from './task-policies.ts';

const asking = `e2e-console-${testContext.entry}`;
const place: PodRef = { namespace: '', pod: 'console' };
const writeNotes: Declaration = {
  allow: [{ actions: ['s3:PutObject'], resources: ['arn:aws:s3:::acme-data/work/*'] }],
};
const HOSTILE_KEY = `arn:aws:s3:::acme-data/"><img src=x onerror=alert(1)><script>alert(2)</script>\u202egpj.exe\u3164`;

type Stored = { metadata: { name: string }; spec: Record<string, unknown> };
type StartAnswer = { Code?: string; Message?: string; run?: string };

/** The rights of docs/console.md, for one user instead of a group. */
const readDocumentedRights = (user: string): string => {
  const page = readFileSync(join(import.meta.dirname, '../../../docs/console.md'), 'utf8');
  const blocks = Array.from(page.matchAll(/^```yaml\n(.*?)^```$/gms), ([, text = '']) => text);
  return blocks
    .join('---\n')
    .replaceAll('kind: Group, name: valetkey-operators', `kind: User, name: ${user}`)
    .replaceAll('namespace: valetkey', `namespace: ${testContext.release.namespace}`);
};

describe('kubectl valetkey console, in a browser', () => {
  const users = createPluginUsers();
  let browser: TestBrowser;
  let opened: RunningConsole;
  let page: Page;

  beforeAll(async () => {
    await deletePolicies([asking]);
    const namespace = (place.namespace = await createNamespace('console'));
    await applyObjects(cluster, buildApprovalRights(namespace, namespace));
    await applyObjects(cluster, readDocumentedRights(APPROVER));
    const cedar = `@id("owners-decide") @approval("data-owners")
forbid (principal in Namespace::"${namespace}", action == Action::"run", resource == Task::"write")
unless { context.approvals.contains("data-owners") };`;
    await applyObjects(cluster, buildTaskPolicy(asking, cedar));
    expect(await waitForPolicyCondition(asking)).toMatchObject({ status: 'True' });
    await runPod({ name: place.pod, namespace, tasks: { read: readReports, write: writeNotes } });
    browser = await startBrowser();
    opened = await users.startConsole(APPROVER);
    page = await browser.createPage();
  });

  afterAll(async () => {
    await browser.close();
    await opened.stop();
    users.remove();
    await runKubectl(cluster, ['delete', '-f', '-', '--ignore-not-found'], {
      input: readDocumentedRights(APPROVER),
    });
    await deletePolicies([asking]);
  });

  const start = async (task: string): Promise<{ status: number; body: StartAnswer }> =>
    callSidecarWithRetry<StartAnswer>(place, 'POST', `/v1/tasks/${task}/runs`, {});
  const waitForStart = (status: number, code?: string): Promise<StartAnswer> =>
    waitFor(`${status} to the start of a run`, async () => {
      const answer = await start('write');
      return answer.status === status && answer.body.Code === code && answer.body;
    });
  const readCredentials = async (run: string): Promise<number> =>
    (await callSidecarWithRetry(place, 'GET', `/v1/runs/${run}/credentials`)).status;
  const list = async (kind: string): Promise<readonly Stored[]> =>
    (await getJson<{ items: Stored[] }>(cluster, [kind, '-n', place.namespace])).items;
  const visitRequest = async (): Promise<string> => {
    await waitForStart(202, 'approval_pending');
    const names = (await list('approvalrequests')).map(({ metadata }) => metadata.name);
    expect(names).toHaveLength(1);
    await visit(page, `${opened.url}approvals`);
    expect(await clickThrough(page, `a[href$="/${names[0] ?? ''}"]`)).toBe(200);
    return names[0] ?? '';
  };

  it('shows every view with the rights of docs/console.md, and asks no other host', async () => {
    for (const path of ['', 'runs', 'approvals', 'decisions', 'policies', 'revocations']) {
      expect((await visit(page, opened.url + path)).status()).toBe(200);
      expect(await readText(page)).not.toMatch(/: refused \(status 403\)/);
    }
    await visit(page, `${opened.url}policies/${asking}`);
    expect(await readText(page)).toContain('@approval("data-owners")');
    const { origin } = new URL(opened.url);
    const others = browser.requested.filter((url) => !url.startsWith(`${origin}/`));
    expect(others).toEqual([]);
    expect(browser.complaints).toEqual([]);
  });

  it('approves the request that it shows, and the run starts', async () => {
    const name = await visitRequest();
    expect(await readText(page, '.request')).toContain('arn:aws:s3:::acme-data/work/*');
    await takeScreenshot(page, 'approval');
    await page.type('input[name="reason"]', 'one note');
    expect(await clickThrough(page, 'button[value="approve"]')).toBe(200);
    expect(await readText(page)).toContain('Your approval was recorded.');
    expect(await list('approvals')).toMatchObject([
      { spec: { request: { name }, decision: 'approve', by: APPROVER, reason: 'one note' } },
    ]);
    await waitForStart(201);
  });

  it('denies the next one', async () => {
    await visitRequest();
    expect(await clickThrough(page, 'button[value="deny"]')).toBe(200);
    expect(await readText(page)).toContain('Your denial was recorded.');
    await waitForStart(403, 'approval_denied');
    await visit(page, `${opened.url}decisions`);
    await takeScreenshot(page, 'decisions', { isDark: true });
  });

  it('revokes a run that it lists as live, and lists it no longer', async () => {
    const { body } = await start('read');
    const run = body.run ?? '';
    expect(await readCredentials(run)).toBe(200);
    await waitFor('the run on the page', async () => {
      await visit(page, `${opened.url}runs`);
      return (await readText(page)).includes(run);
    });
    const row = `form[action$="/runs/${run}/revoke"]`;
    await page.evaluate(`document.querySelector('${row}').closest('details').open = true`);
    await page.type(`${row} input[name="reason"]`, 'odd reads');
    expect(await clickThrough(page, `${row} button`)).toBe(200);
    expect(await readText(page)).not.toContain(run);
    await waitFor('the run to have ended', async () => (await readCredentials(run)) !== 200);
    await visit(page, `${opened.url}revocations`);
    expect(await readText(page)).toContain(`run ${run}`);
    await page.setViewport({ width: 400, height: 700 });
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(400);
  });

  it('offers a user without the right no form, and says why', async () => {
    await applyHostileRequest();
    const other = await users.startConsole(REQUESTER, ['--read-only']);
    const restricted = await users.startConsole(REQUESTER);
    const path = `approvals/${place.namespace}/${REQUEST_NAME}`;
    await visit(page, other.url + path);
    expect(await readText(page)).toContain('--read-only');
    await visit(page, restricted.url + path);
    expect(await readText(page)).toContain(
      'approve approvalgroups/data-owners in the whole cluster',
    );
    expect(await page.$$('form[method="post"]')).toEqual([]);
    await visit(page, `${restricted.url}revocations`);
    expect(await readText(page)).toContain('API server: list revocations: refused (status 403)');
    expect(await other.stop()).toContain('console: ended\n');
    await restricted.stop();
  });

  /** As the authority writes it, with what an agent chose. */
  const applyHostileRequest = async (): Promise<void> => {
    const as = `system:serviceaccount:${testContext.release.namespace}:valetkey-authority`;
    const { namespace } = place;
    await runKubectl(cluster, [
      ...['delete', 'approvalrequest', REQUEST_NAME, '-n', namespace, '--ignore-not-found'],
    ]);
    const object = {
      ...{ apiVersion: 'valetkey.dev/v1alpha1', kind: 'ApprovalRequest' },
      metadata: { name: REQUEST_NAME, namespace },
      spec: {
        ...SAMPLE_REQUEST,
        kind: 'call',
        request: [{ name: 'resources', value: HOSTILE_KEY }],
      },
    };
    await runKubectl(cluster, ['create', '-f', '-', '--as', as], { input: JSON.stringify(object) });
  };

  it('shows HTML, bidirectional and invisible characters of a key as text', async () => {
    await applyHostileRequest();
    await visit(page, `${opened.url}approvals/${place.namespace}/${REQUEST_NAME}`);
    const shown = HOSTILE_KEY.replace('\u202e', '\\u{202e}').replace('\u3164', '\\u{3164}');
    expect(await readText(page, '.request code')).toBe(shown);
    expect(await page.$$('main img, main script')).toEqual([]);
    expect(browser.complaints.filter((text) => text.startsWith('dialog'))).toEqual([]);
  });

  it('refuses to decide about a request that was made again', async () => {
    await applyHostileRequest();
    await visit(page, `${opened.url}approvals/${place.namespace}/${REQUEST_NAME}`);
    await applyHostileRequest();
    expect(await clickThrough(page, 'button[value="approve"]')).toBe(409);
    expect(await readText(page)).toContain('got another of the same name');
    const approvals = await list('approvals');
    expect(approvals.filter(({ metadata }) => metadata.name.startsWith(REQUEST_NAME))).toEqual([]);
  });

  it('answers another key and a rebound name with 404 and no text', async () => {
    const { origin } = new URL(opened.url);
    const wrong = [`${origin}/`, `${origin}/${'A'.repeat(43)}/`, `${opened.url}other`];
    for (const url of [...wrong, opened.url.replace('127.0.0.1', REBOUND_HOST)]) {
      const response = await visit(page, url);
      // Chromium shows its own page instead of an empty one.
      expect([response.status(), response.headers()['content-length']]).toEqual([404, '0']);
    }
  });

  it('cannot be scripted, framed or posted to by another page of this host that knows the key', async () => {
    const before = await getJson<{ items: Stored[] }>(cluster, ['revocations']);
    // The worst case: with the key and with the hidden fields of a page.
    await visit(page, `${opened.url}revocations`);
    const action = `${opened.url}revocations`;
    const form = `form[action="${new URL(action).pathname}"]`;
    const fields = await evaluateText(page, `document.querySelector('${form}').innerHTML`);
    const hostile = await startHostilePage(`<!doctype html><iframe src="${action}"></iframe>
<form method="post" action="${action}">${fields}<button id="attack">go</button></form>`);
    const attacker = await browser.createPage();
    await visit(attacker, hostile.url);
    const stolen = await attacker.evaluate(
      `fetch(${JSON.stringify(action)}).then((response) => response.text(), () => 'blocked')`,
    );
    expect(stolen).toBe('blocked');
    const frames = attacker.frames().filter((frame) => frame !== attacker.mainFrame());
    for (const frame of frames) expect(frame.url()).not.toBe(action);
    await attacker.select('select[name="kind"]', 'namespace');
    await attacker.type('input[name="target"]', place.namespace);
    await attacker.type('input[name="reason"]', 'attack');
    await attacker.click('input[name="confirm"]');
    expect(await clickThrough(attacker, '#attack')).toBe(403);
    expect(await readText(attacker)).toContain('Origin: expected a form of this console');
    hostile.close();
    await attacker.close();
    const after = await getJson<{ items: Stored[] }>(cluster, ['revocations']);
    const reasons = after.items.map(({ spec }) => spec['reason']);
    expect(reasons).not.toContain('attack');
    expect(after.items.length).toBeGreaterThanOrEqual(before.items.length);
  });

  it('measures how much the log of a replica grows with each run', async () => {
    const where = ['-n', testContext.release.namespace, '-l', authorityLabel];
    const { stdout } = await runKubectl(cluster, ['logs', ...where, '--tail=-1', '--since=1h']);
    const runs = stdout.split('\n').filter((line) => line.includes('"kind":"run.issued"')).length;
    expect(runs).toBeGreaterThan(0);
    const value = `${Math.round(Buffer.byteLength(stdout) / runs)} B`;
    const name = "of the authority's log for each run that was issued";
    recordMeasurement(testContext.folder, { entry: testContext.entry, name, value });
  });
});
