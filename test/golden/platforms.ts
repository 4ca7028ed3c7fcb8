import type { Platform } from '../../lib/contract/platform.ts';
import { authorityPlatform, platform } from '../../lib/injection/fixtures/sample-platform.ts';

/** The platforms under which each pod is admitted: both kinds of trust, both dialects. */
export const PLATFORMS: Readonly<Record<string, Platform>> = {
  'cluster-aws': platform,
  'authority-aws': {
    ...authorityPlatform,
    cloud: {
      ...authorityPlatform.cloud,
      sourceRestriction: { mode: 'vpc', vpcId: 'vpc-0a1b2c3d' },
    },
  },
  'authority-s3': {
    ...authorityPlatform,
    cloud: {
      ...authorityPlatform.cloud,
      ...{ region: 'home', stsEndpoint: 'https://rgw.example:7480', dialect: 's3' },
      sourceRestriction: { mode: 'podIP' },
    },
    tasks: { ...authorityPlatform.tasks, accountIds: [], wildcardOnlyActions: true },
    pods: {
      ...authorityPlatform.pods,
      allowApiToken: true,
      breakGlassGroup: 'break-glass',
      baselineNamespaces: ['baseline'],
      ruleExemptions: [{ namespace: 'excepted', rule: '4' }],
    },
  },
};

/** Members of a platform that a case replaces. */
export type PlatformChanges = { readonly [K in keyof Platform]?: object };

/** The platform with the changes of a case, group by group. */
export const mergePlatform = (base: Platform, changes: PlatformChanges): Platform => ({
  ...base,
  sidecar: { ...base.sidecar, ...changes.sidecar },
  cloud: { ...base.cloud, ...changes.cloud },
  tasks: { ...base.tasks, ...changes.tasks },
  pods: { ...base.pods, ...changes.pods },
});
