import type { CallLine } from './call-line.ts';
import { computeSha256 } from './chain.ts';
import type { CloudCall } from './cloud-log.ts';
import type { TimelineStep } from './timeline-steps.ts';

/** Clocks differ by 30 s at most, and AWS states whole seconds. */
const MAX_DIFFERENCE_MS = 60_000;

/** Steps that stay together in a timeline, at the time of the first. */
export type StepGroup = readonly [TimelineStep, ...TimelineStep[]];

/**
 * Builds the steps of a run's calls: each call of the journal with its decision, and after it the line of
 * the cloud's log for the same object, the nearest in time. What only one of the two logs has is marked,
 * if both are given: a call that the cloud did not log, or one that did not pass through the gateway.
 */
export const buildCallSteps = (
  calls: readonly CallLine[],
  cloudCalls: readonly CloudCall[],
): readonly StepGroup[] => {
  const index = indexCloudCalls(cloudCalls);
  const matched = new Set<CloudCall>();
  const areBothGiven = calls.length > 0 && cloudCalls.length > 0;
  const groups = calls.map((call): StepGroup => {
    const found = findCloudCall(call, index, matched);
    if (found !== undefined) {
      matched.add(found);
      return [toCallStep(call, ''), toCloudStep(found, '')];
    }
    const isExpected = areBothGiven && call.outcome === 'allowed' && call.count === undefined;
    return [toCallStep(call, isExpected ? '; not in the log of the cloud' : '')];
  });
  // A line of several calls names no objects, so that its cloud calls cannot be recognized.
  const isComplete = areBothGiven && calls.every(({ count }) => count === undefined);
  const others = cloudCalls
    .filter((cloudCall) => !matched.has(cloudCall))
    .map((cloudCall): StepGroup => [
      toCloudStep(cloudCall, isComplete ? '; not in the journal of the gateway' : ''),
    ]);
  return [...groups, ...others];
};

type CloudCallIndex = ReadonlyMap<string, readonly CloudCall[]>;

const findCloudCall = (
  call: CallLine,
  index: CloudCallIndex,
  matched: ReadonlySet<CloudCall>,
): CloudCall | undefined => {
  if (call.outcome === 'refused' || call.count !== undefined) return undefined;
  const difference = ({ at }: CloudCall): number => Math.abs(at - call.at);
  const [nearest] = listKeys(call)
    .flatMap((key) => index.get(key) ?? [])
    .filter((each) => !matched.has(each) && difference(each) <= MAX_DIFFERENCE_MS + call.ms)
    .toSorted((one, other) => difference(one) - difference(other));
  return nearest;
};

const S3_ARN = /^arn:[^:]*:s3:::(.+)$/s;
const AWS_SERVICE = /^([a-z0-9.-]+)\.amazonaws\.com$/;

/** What a call of the cloud's log may be recognized by; RGW logs the path as it was requested. */
const indexCloudCalls = (cloudCalls: readonly CloudCall[]): CloudCallIndex => {
  const index = new Map<string, CloudCall[]>();
  for (const cloudCall of cloudCalls) {
    const { target, operation } = cloudCall;
    const decoded = decodePath(target);
    const [, service] = AWS_SERVICE.exec(target) ?? [];
    const hash = `sha256:${computeSha256(`arn:aws:s3:::${decoded}`)}`;
    for (const key of new Set([target, decoded, hash, `${service ?? ''}.${operation}`])) {
      const known = index.get(key);
      if (known === undefined) index.set(key, [cloudCall]);
      else known.push(cloudCall);
    }
  }
  return index;
};

/** Hashed resources are keys themselves; services without objects in their log are known by the operation. */
const listKeys = ({ operation = '', resources }: CallLine): readonly string[] => {
  const objects = resources.map((resource) => S3_ARN.exec(resource)?.[1] ?? resource);
  // A request for several objects has only their bucket in its head.
  const isForSeveral = operation === 's3.DeleteObjects';
  const buckets = isForSeveral ? objects.map((object) => object.split('/', 1)[0] ?? '') : [];
  return [...new Set([...objects, ...buckets, operation])];
};

const decodePath = (target: string): string => {
  try {
    return decodeURIComponent(target);
  } catch {
    return target;
  }
};

const toCallStep = (call: CallLine, remark: string): TimelineStep => {
  const { operation, actions, resources, outcome, code, status, count } = call;
  const parts = [
    ...(count === undefined ? [] : [`${count} calls`]),
    operation ?? 'unrecognized request',
    ...(resources.length > 0 ? [`on ${resources.join(', ')}`] : []),
    ...(actions.length > 0 ? [`(${actions.join(', ')})`] : []),
  ];
  const facts = [
    [outcome, code].filter(Boolean).join(' '),
    ...(status === undefined ? [] : [`status ${status}`]),
    `${call.in} bytes in`,
    `${call.out} bytes out`,
    `${call.ms} ms`,
    ...(call.resolved || outcome === 'refused' ? [] : ['resource not read from the request']),
  ];
  return { at: call.at, kind: 'call', text: `${parts.join(' ')}: ${facts.join(', ')}${remark}` };
};

const toCloudStep = (cloudCall: CloudCall, remark: string): TimelineStep => {
  const { at, operation, target, outcome, from } = cloudCall;
  const text = `${operation} ${target}: ${outcome}${from === '' ? '' : `, from ${from}`}${remark}`;
  return { at, kind: 'cloud call', text };
};
