import { fail, show, succeed, type Fault, type Result } from '../reading/fault.ts';
import { readContainer, readVolume } from './pod-shape.ts';
import { hashOf, type AcceptedProfiles, type Profile } from './profile.ts';

/**
 * Reads the data of the ConfigMap `valetkey-profiles`: canonical JSON by its hash.
 *
 * @returns the profiles that are what their key says, and a fault for each that is not: such a one
 *   is accepted by nobody
 */
export const readProfiles = (
  data: Readonly<Record<string, string>>,
): { readonly profiles: AcceptedProfiles; readonly faults: readonly Fault[] } => {
  const results = Object.entries(data).map(
    ([hash, text]) => [hash, readProfile(hash, text)] as const,
  );
  const profiles = new Map(
    results.flatMap(([hash, result]) => (result.ok ? [[hash, result.value] as const] : [])),
  );
  return { profiles, faults: results.flatMap(([, result]) => (result.ok ? [] : result.faults)) };
};

const readProfile = (hash: string, text: string): Result<Profile> => {
  const found = hashOf(text);
  if (found !== hash) return fail([{ path: hash, expected: 'text of this SHA-256', got: found }]);
  const profile = parse(text);
  return isProfile(profile)
    ? succeed(profile)
    : fail([{ path: hash, expected: 'a profile', got: show(text) }]);
};

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

/** The hash vouches for what is in it; this only keeps a stranger's object from being used as one. */
const isProfile = (value: unknown): value is Profile => {
  const { sidecar, tokenVolume, consumerVolume, consumer, consumersFolder, label } = (value ??
    {}) as Readonly<Record<string, unknown>>;
  const { mount, env, envDefaults } = (consumer ?? {}) as Readonly<Record<string, unknown>>;
  const { name, value: text } = (label ?? {}) as Readonly<Record<string, unknown>>;
  return (
    readContainer(sidecar).ok &&
    readVolume(tokenVolume).ok &&
    readVolume({ ...(consumerVolume as object), name: '' }).ok &&
    readContainer({ name: '', volumeMounts: [{ ...(mount as object), name: '' }], env }).ok &&
    Array.isArray(envDefaults) &&
    envDefaults.every((group: unknown) => readContainer({ name: '', env: group }).ok) &&
    [consumersFolder, name, text].every((each) => typeof each === 'string')
  );
};
