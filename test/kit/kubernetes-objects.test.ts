import { describe, expect, it } from '@jest/globals';

import { getValue, getList, filterByKind, readObjects, formatTitle } from './kubernetes-objects.ts';

const manifest = `
apiVersion: v1
kind: Service
metadata: {name: one}
spec: {ports: [{name: https}]}
---
# nothing but a comment
---
apiVersion: v1
kind: ConfigMap
metadata: {name: two, annotations: {checksum/a.b: x}}
`;

describe('reading a manifest', () => {
  it('every document is an object, and empty ones are none', () => {
    const objects = readObjects(manifest);
    expect(objects.map(formatTitle)).toEqual(['Service/one', 'ConfigMap/two']);
    expect(filterByKind(objects, 'Service')).toHaveLength(1);
  });

  it.each([
    ['a key written twice', 'a: 1\na: 2'],
    ['no name', 'apiVersion: v1\nkind: Service\nmetadata: {}'],
  ])('%s is refused with the number of its document', (_, text) => {
    expect(() => readObjects(`${manifest}---\n${text}\n`)).toThrow('document 3');
  });

  it('a path reaches fields, elements and keys with dots', () => {
    const [service, configMap] = readObjects(manifest);
    expect(getValue(service, 'spec.ports[0].name')).toBe('https');
    expect(getValue(configMap, 'metadata.annotations[checksum/a.b]')).toBe('x');
    expect(getValue(service, 'spec.none.there')).toBeUndefined();
    expect(getList(service, 'spec.ports')).toHaveLength(1);
    expect(getList(service, 'spec.none')).toEqual([]);
  });
});
