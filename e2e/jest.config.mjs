import { readFileSync } from 'node:fs';
import unit from '../jest.config.mjs';

/**
 * Groups that run after `main`, one test file at a time: `serial` disturbs or inspects what the other
 * tests did, `disruption` has the cluster to itself.
 */
const laterGroups = ['serial', 'disruption'];
const group = process.env.VALETKEY_E2E_GROUP ?? 'main';
const isLater = laterGroups.includes(group);
const otherGroups = isLater ? [] : laterGroups.map((name) => `/tests/${name}/`);

const { entry, trust, isFull } = JSON.parse(readFileSync(process.env.VALETKEY_E2E_CONTEXT, 'utf8'));
const hasAuthority = trust.kind === 'authority';

/** Test files that a matrix entry skips, and when. */
const skipped = [
  // They present variations of the cluster's own tokens: a cloud that trusts the authority refuses all of them.
  ['/cloud-cases\\.', hasAuthority],
  // Admission rules, sidecar and authority behave the same with every cloud.
  ['/(admission-policies|attacks|hostile-consumer|legitimate)\\.', entry !== 'minio'],
  ['/disruption/load/', entry !== 'minio'],
  ['/authority/', !hasAuthority],
  // The result does not depend on which issuer the cloud trusts.
  ['/(admission|webhook-rollout|webhook-down)\\.', !hasAuthority && !isFull],
  // The authority refuses these before it calls a cloud: one matrix entry is enough.
  ['/authority/(wire|policy|user-token|flood|bypass)\\.', entry === 'rgw' && !isFull],
].flatMap(([pattern, isSkipped]) => (isSkipped ? [pattern] : []));

export default {
  ...unit,
  rootDir: '..',
  roots: [isLater ? `<rootDir>/e2e/tests/${group}` : '<rootDir>/e2e/tests'],
  testPathIgnorePatterns: [...otherGroups, ...skipped],
  testMatch: ['**/*.e2e.ts'],
  testTimeout: 420_000,
  maxWorkers: isLater ? 1 : 2,
  maxConcurrency: 8,
  verbose: true,
};
