import { describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';

import { buildTask } from '../runs/fixtures/fake-exchange.ts';
import { renderAnnotationDiff, renderPermits } from './proposal-texts.ts';

const task = buildTask({ name: 'report', delivery: 'sign', lifetimeSeconds: 900 });
const hostile = 'arn:aws:s3:::data/" } || true || "\\';

describe('renderAnnotationDiff', () => {
  it('adds statements that YAML reads as they are', () => {
    const allow = [
      { actions: ['s3:GetObject'], resources: [hostile, 'arn:aws:s3:::data/ä: #x'] },
      { actions: ['s3:PutObject'], resources: ['*'] },
    ];
    const lines = renderAnnotationDiff(task, allow).split('\n');
    expect(lines.slice(0, 3)).toEqual([
      '--- task.valetkey.dev/report',
      '+++ task.valetkey.dev/report',
      '@@ allow @@',
    ]);
    const added = lines.slice(3).map((line) => line.slice(1));
    expect(parse(added.join('\n'))).toEqual(allow);
  });
});

describe('renderPermits', () => {
  it('names the workload, the task, its role, its delivery and its lifetime', () => {
    const allow = [{ actions: ['s3:GetObject', 's3:PutObject'], resources: ['arn:aws:s3:::d/a'] }];
    const workload = { namespace: 'research', serviceAccount: 'agent' };
    expect(renderPermits(workload, task, allow)).toBe(
      [
        'permit (',
        '  principal == Workload::"research/agent",',
        '  action == Action::"run",',
        '  resource == Task::"report"',
        ') when {',
        `  context.role == "${task.role}" && context.delivery == "sign" &&`,
        '  context.lifetimeSeconds <= 900 &&',
        '  ["s3:GetObject", "s3:PutObject"].contains(context.action) &&',
        '  context.resource == "arn:aws:s3:::d/a"',
        '};',
        '',
      ].join('\n'),
    );
  });

  it('escapes what a resource contains', () => {
    const allow = [{ actions: ['s3:GetObject'], resources: [hostile] }];
    const text = renderPermits({ namespace: 'a', serviceAccount: 'b' }, task, allow);
    expect(text).toContain(String.raw`== "arn:aws:s3:::data/\" } || true || \"\\"`);
  });
});
