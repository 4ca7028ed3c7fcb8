import { fail, formatValue, succeed, type FieldError, type Result } from '../schema/field-error.ts';
import { parseContainer, parseVolume } from './pod-schema.ts';
import {
  hashTemplate,
  type AcceptedTemplates,
  type InjectionTemplate,
} from './injection-template.ts';

/**
 * Reads the data of the ConfigMap `valetkey-profiles`: canonical JSON by its hash.
 *
 * @returns the profiles that are what their key says, and a fault for each that is not: such a one
 *   is accepted by nobody
 */
export const readTemplates = (
  data: Readonly<Record<string, string>>,
): { readonly templates: AcceptedTemplates; readonly faults: readonly FieldError[] } => {
  const results = Object.entries(data).map(
    ([hash, text]) => [hash, parseTemplate(hash, text)] as const,
  );
  const templates = new Map(
    results.flatMap(([hash, result]) => (result.ok ? [[hash, result.value] as const] : [])),
  );
  return { templates, faults: results.flatMap(([, result]) => (result.ok ? [] : result.faults)) };
};

const parseTemplate = (hash: string, text: string): Result<InjectionTemplate> => {
  const found = hashTemplate(text);
  if (found !== hash) return fail([{ path: hash, expected: 'text of this SHA-256', got: found }]);
  const profile = parseJson(text);
  return isInjectionTemplate(profile)
    ? succeed(profile)
    : fail([{ path: hash, expected: 'a profile', got: formatValue(text) }]);
};

const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

/** The hash vouches for what is in it; this only keeps a stranger's object from being used as one. */
const isInjectionTemplate = (value: unknown): value is InjectionTemplate => {
  const { sidecar, tokenVolume, consumerVolume, consumer, consumersFolder, label } = (value ??
    {}) as Readonly<Record<string, unknown>>;
  const { mount, env, envDefaults } = (consumer ?? {}) as Readonly<Record<string, unknown>>;
  const { name, value: text } = (label ?? {}) as Readonly<Record<string, unknown>>;
  return (
    parseContainer(sidecar).ok &&
    parseVolume(tokenVolume).ok &&
    parseVolume({ ...(consumerVolume as object), name: '' }).ok &&
    parseContainer({ name: '', volumeMounts: [{ ...(mount as object), name: '' }], env }).ok &&
    Array.isArray(envDefaults) &&
    envDefaults.every((group: unknown) => parseContainer({ name: '', env: group }).ok) &&
    [consumersFolder, name, text].every((each) => typeof each === 'string')
  );
};
