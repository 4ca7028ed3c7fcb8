import { fail, formatValue, succeed, type FieldError, type Result } from '../schema/field-error.ts';
import { parseJson } from '../schema/json.ts';
import { parseContainer, parseVolume } from './pod-schema.ts';
import {
  hashTemplate,
  type AcceptedTemplates,
  type InjectionTemplate,
} from './injection-template.ts';

/**
 * Reads the data of the ConfigMap of injection templates: canonical JSON by its hash.
 *
 * @returns the templates whose text has the hash of their key, and a fault for each other entry,
 *   which is not accepted
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
  const template = parseJson(text);
  return isInjectionTemplate(template)
    ? succeed(template)
    : fail([{ path: hash, expected: 'an injection template', got: formatValue(text) }]);
};

/** The hash proves the content. This check only rejects objects of another shape. */
const isInjectionTemplate = (value: unknown): value is InjectionTemplate => {
  const { sidecar, tokenVolume, consumerVolume, consumer, consumersFolder, label } = (value ??
    {}) as Readonly<Record<string, unknown>>;
  const { mount, env, signEnv, envDefaults } = (consumer ?? {}) as Readonly<
    Record<string, unknown>
  >;
  const { name, value: text } = (label ?? {}) as Readonly<Record<string, unknown>>;
  return (
    parseContainer(sidecar).ok &&
    parseVolume(tokenVolume).ok &&
    parseVolume({ ...(consumerVolume as object), name: '' }).ok &&
    parseContainer({ name: '', volumeMounts: [{ ...(mount as object), name: '' }], env }).ok &&
    parseContainer({ name: '', env: signEnv }).ok &&
    Array.isArray(envDefaults) &&
    envDefaults.every((group: unknown) => parseContainer({ name: '', env: group }).ok) &&
    [consumersFolder, name, text].every((each) => typeof each === 'string')
  );
};
