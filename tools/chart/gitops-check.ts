import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { parse } from 'yaml';

import { getValue } from '../../test/kit/kubernetes-objects.ts';
import { CHART, createHelm, KUBE_VERSION, NAMESPACE } from './helm.ts';

const PAGE = join(import.meta.dirname, '../../docs/gitops.md');

/** Where each tool's object has the values of the chart. */
const VALUES: Readonly<Record<string, string>> = {
  Application: 'spec.source.helm.valuesObject',
  HelmRelease: 'spec.values',
};

/**
 * Renders the chart with the values of each example in docs/gitops.md as the tools do: again and again, some of them
 * always as an installation.
 *
 * @param program the path of Helm
 * @returns the tools that would find differences although nothing has changed
 */
export const findUnstableRenderings = (program: string): readonly string[] => {
  const examples = listExamples();
  const missing = Object.keys(VALUES).filter((kind) => !examples.some((one) => one.kind === kind));
  return [
    ...missing.map((kind) => `expected an example of kind ${kind}, got none`),
    ...examples.flatMap(({ kind, values }) => {
      // Without the cache of one runner.
      const [first, ...others] = [[], [], ['--is-upgrade']].map((args) =>
        createHelm(program)(
          [
            ...['template', 'valetkey', CHART, '-n', NAMESPACE, '--include-crds'],
            ...['--kube-version', KUBE_VERSION, ...args],
          ],
          values,
        ),
      );
      if (first?.ok !== true) return [`${kind}: ${first?.text ?? ''}`];
      return others.every(({ text }) => text === first.text)
        ? []
        : [`${kind}: expected the same rendering each time, got differences`];
    }),
  ];
};

const listExamples = (): readonly { readonly kind: string; readonly values: object }[] =>
  Array.from(
    readFileSync(PAGE, 'utf8').matchAll(/^```yaml\n(.*?)^```$/gms),
    ([, text = '']) => parse(text) as unknown,
  ).flatMap((object) => {
    const kind = String(getValue(object, 'kind'));
    const values = VALUES[kind] === undefined ? undefined : getValue(object, VALUES[kind]);
    return values === undefined ? [] : [{ kind, values: values as object }];
  });
