import { SIDECAR_ENV } from '../../contract/environment.ts';
import { SIDECAR_CONTAINER } from '../../contract/names.ts';
import type { Pod } from '../../contract/pod.ts';
import { show, type Fault } from '../../reading/fault.ts';
import { isApiTokenVolume } from '../api-token.ts';
import { admittedConsumers, consumersOf, otherContainers, sidecarsOf } from '../consumers.ts';
import { containersOf, isNativeSidecar, type PlacedContainer } from '../containers.ts';
import { differences } from '../equality.ts';
import { pointer } from '../json-patch.ts';
import type { AcceptedProfiles, Profile } from '../profile.ts';
import { buildInjected, consumerVolumeName, type Injected } from '../sidecar.ts';
import { sidecarTolerance, VOLUME_TOLERANCE } from '../tolerance.ts';
import type { Judge, JudgeContext } from './rule.ts';

/** Rule 2: what we inject stands there, once, first, and as an accepted profile says. */
export const judgeSidecarEquality: Judge = (pod, context) => {
  const sidecars = sidecarsOf(pod).filter(({ list }) => list === 'initContainers');
  const [sidecar] = sidecars;
  if (sidecar === undefined || sidecars.length > 1) return [notOne(sidecars.length)];
  const named = namedProfile(pod, context.profiles);
  if (named.profile === undefined) return [unknownProfile(sidecar, named.hash)];
  const { hash, profile } = named;
  const consumers = admittedConsumers(pod) ?? [];
  const expected = buildInjected({ hash, profile }, { consumers, tasks: context.tasks });
  return [
    ...judgePlace(pod, sidecar, consumers),
    ...judgeConsumers(pod, sidecar, consumers, context),
    ...compareSidecar(sidecar, expected, context),
    ...compareVolumes(pod, expected),
    ...judgeLabel(pod, profile),
    ...judgeApiToken(pod, context),
    ...consumers.flatMap((name, index) => judgeEquipment(pod, profile, { name, index })),
  ];
};

/** The profile that the pod's sidecar names, where it is accepted. */
export const namedProfile = (
  pod: Pod,
  profiles: AcceptedProfiles,
): { readonly hash: string; readonly profile: Profile | undefined } => {
  const sidecar = sidecarsOf(pod).find(({ list }) => list === 'initContainers');
  const hash =
    sidecar?.container.env?.find(({ name }) => name === SIDECAR_ENV.profile)?.value ?? '';
  return { hash, profile: profiles.get(hash) };
};

const notOne = (count: number): Fault => ({
  path: '/spec/initContainers',
  expected: `exactly one ${SIDECAR_CONTAINER}, as it was injected`,
  got: String(count),
});

const unknownProfile = ({ path }: PlacedContainer, hash: string): Fault => ({
  path: `${path}/env`,
  expected: `${SIDECAR_ENV.profile} of an accepted profile`,
  got: show(hash),
});

const judgePlace = (
  pod: Pod,
  sidecar: PlacedContainer,
  consumers: readonly string[],
): readonly Fault[] =>
  containersOf(pod)
    .filter(({ list, index }) => list === 'initContainers' && index < sidecar.index)
    .filter((each) => !isNativeSidecar(each) || consumers.includes(each.container.name))
    .map(({ path, container }) => ({
      path,
      expected: `${SIDECAR_CONTAINER} before every ordinary init container and every consumer`,
      got: `${show(container.name)} before it`,
    }));

/** The sidecar's consumers are those that the pod's declarations make, in whatever order. */
const judgeConsumers = (
  pod: Pod,
  { path }: PlacedContainer,
  consumers: readonly string[],
  { tasks }: JudgeContext,
): readonly Fault[] => {
  const declared = [...consumersOf(pod, tasks)].sort();
  const admitted = [...consumers].sort();
  const isSame = JSON.stringify(declared) === JSON.stringify(admitted);
  const expected = `the consumers that the tasks declare: ${show(declared)}`;
  return isSame ? [] : [{ path: `${path}/env`, expected, got: show(admitted) }];
};

const compareSidecar = (
  { container, path }: PlacedContainer,
  { sidecar }: Injected,
  { platform }: JudgeContext,
): readonly Fault[] =>
  differences(sidecar, container, {
    path,
    pattern: '',
    comparisons: sidecarTolerance(platform.sidecar.accept),
  });

const compareVolumes = (pod: Pod, { volumes }: Injected): readonly Fault[] => {
  const found = pod.spec?.volumes ?? [];
  return volumes.flatMap((volume) => {
    const index = found.findIndex(({ name }) => name === volume.name);
    const path = `/spec/volumes/${index === -1 ? '-' : index}`;
    return differences(volume, found[index], { path, pattern: '', comparisons: VOLUME_TOLERANCE });
  });
};

const judgeLabel = (pod: Pod, { label }: Profile): readonly Fault[] => {
  const value = pod.metadata?.labels?.[label.name];
  const path = `/metadata/labels${pointer(label.name)}`;
  return value === label.value ? [] : [{ path, expected: show(label.value), got: show(value) }];
};

const judgeApiToken = (pod: Pod, { platform }: JudgeContext): readonly Fault[] => {
  const wish = pod.spec?.automountServiceAccountToken;
  if (wish === true && platform.pods.allowApiToken) return [];
  const path = '/spec/automountServiceAccountToken';
  const volume = (pod.spec?.volumes ?? []).findIndex(isApiTokenVolume);
  return [
    ...(wish === false ? [] : [{ path, expected: 'false, as it was set', got: show(wish) }]),
    ...(volume === -1
      ? []
      : [
          {
            path: `/spec/volumes/${volume}`,
            expected: 'no volume with the API token',
            got: show(pod.spec?.volumes?.[volume]?.name),
          },
        ]),
  ];
};

/** Wrong mounts are rule 6's, wrong values rule 7's: what is looked for here is what is missing. */
const judgeEquipment = (
  pod: Pod,
  { consumer }: Profile,
  { name, index }: { readonly name: string; readonly index: number },
): readonly Fault[] =>
  otherContainers(pod)
    .filter(({ container }) => container.name === name)
    .flatMap(({ path, container }) => {
      const volume = consumerVolumeName(index);
      const isMounted = (container.volumeMounts ?? []).some((mount) => mount.name === volume);
      const names = new Set((container.env ?? []).map((variable) => variable.name));
      const groups = [...consumer.env.map((variable) => [variable]), ...consumer.envDefaults];
      return [
        ...(isMounted
          ? []
          : [{ path: `${path}/volumeMounts`, expected: `a mount of ${volume}`, got: 'none' }]),
        ...groups
          .filter((group) => !group.some((variable) => names.has(variable.name)))
          .map((group) => ({
            path: `${path}/env`,
            expected: group
              .map((variable) => `${variable.name}=${variable.value ?? ''}`)
              .join(', '),
            got: 'nothing',
          })),
      ];
    });
