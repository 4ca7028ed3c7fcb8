import { isCloudAudience } from '../../config/audiences.ts';
import { TOKEN_VOLUME } from '../../contract/names.ts';
import type { Platform } from '../../contract/platform.ts';
import type { Volume } from '../../contract/pod.ts';
import { show, type Fault } from '../../reading/fault.ts';
import type { Judge } from './rule.ts';

/** Rule 5: no way to the node's files, and no token but ours that a cloud would take. */
export const judgeVolumes: Judge = (pod, { platform }) =>
  (pod.spec?.volumes ?? []).flatMap((volume, index) => {
    const path = `/spec/volumes/${index}`;
    return [...hostPath(volume, path), ...tokens(volume, path, platform)];
  });

const hostPath = (volume: Volume, path: string): readonly Fault[] =>
  volume.hostPath === undefined
    ? []
    : [{ path: `${path}/hostPath`, expected: 'no hostPath', got: show(volume.hostPath) }];

/** Our own volume is compared field by field under rule 2. */
const tokens = (volume: Volume, path: string, platform: Platform): readonly Fault[] =>
  volume.name === TOKEN_VOLUME
    ? []
    : (volume.projected?.sources ?? []).flatMap(({ serviceAccountToken }, index) => {
        const audience = serviceAccountToken?.audience ?? '';
        if (!isProtected(audience, platform)) return [];
        const at = `${path}/projected/sources/${index}/serviceAccountToken/audience`;
        const expected = 'no audience that a cloud or Valetkey trades for credentials';
        return [{ path: at, expected, got: show(audience) }];
      });

const isProtected = (audience: string, { sidecar }: Platform): boolean =>
  isCloudAudience(audience) || audience.toLowerCase() === sidecar.audience.toLowerCase();
