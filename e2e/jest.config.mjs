import { readFileSync } from 'node:fs';
import unit from '../jest.config.mjs';

/**
 * Rounds after the main one: `last` disturbs or searches what all others did, `upheaval` has the
 * cluster to itself. Their stories run one by one.
 */
const later = ['last', 'upheaval'];
const round = process.env.VALETKEY_E2E_ROUND ?? 'main';
const isLater = later.includes(round);
const others = isLater ? [] : later.map((name) => `/stories/${name}/`);

const { pass, trust, isFull } = JSON.parse(readFileSync(process.env.VALETKEY_E2E_STAGE, 'utf8'));
const hasAuthority = trust.kind === 'authority';

/** Which story files a pass does not tell, and when. */
const passedOver = [
  // Their tokens are the cluster's own, varied: a cloud that trusts the authority refuses them all.
  ['/cloud-cases\\.', hasAuthority],
  // The rules, the sidecar and the authority against all comers: they are the same for every cloud.
  ['/(admission-policies|attacks|from-inside|legitimate)\\.', pass !== 'minio'],
  ['/upheaval/load/', pass !== 'minio'],
  ['/authority/', !hasAuthority],
  // What they show does not hang on whom the cloud trusts.
  ['/(admission|upheaval|webhook-away)\\.', !hasAuthority && !isFull],
  // The authority refuses these before any cloud is asked: one pass tells them.
  ['/authority/(wire|policy|human|flood|bypass)\\.', pass === 'rgw' && !isFull],
].flatMap(([pattern, isPassedOver]) => (isPassedOver ? [pattern] : []));

export default {
  ...unit,
  rootDir: '..',
  roots: [isLater ? `<rootDir>/e2e/stories/${round}` : '<rootDir>/e2e/stories'],
  testPathIgnorePatterns: [...others, ...passedOver],
  testMatch: ['**/*.story.ts'],
  testTimeout: 420_000,
  maxWorkers: isLater ? 1 : 2,
  maxConcurrency: 8,
  verbose: true,
};
