import { describe, expect, it } from '@jest/globals';
import { parseOptions, renderUsage } from './bench-options.ts';

const measurements = ['admission', 'held credentials'];

describe('parseOptions', () => {
  it('measures everything by default', () => {
    expect(parseOptions([], measurements)).toEqual({
      quick: false,
      only: '',
      programs: undefined,
      fleet: undefined,
      pods: undefined,
      podsPerSecond: 50,
      publish: false,
      help: false,
    });
  });

  it('names an unknown option', () => {
    expect(() => parseOptions(['--fast'], measurements)).toThrow(/--fast/);
  });

  it('refuses words that no measurement has, and lists the measurements', () => {
    expect(() => parseOptions(['--only', 'gatway'], measurements)).toThrow(
      'expected words of one of admission, held credentials; found "gatway"',
    );
  });

  it('publishes a whole run only', () => {
    expect(() => parseOptions(['--publish', '--quick'], measurements)).toThrow(/--publish/);
    expect(() => parseOptions(['--publish', '--only', 'held'], measurements)).toThrow(/--publish/);
  });

  it('reads the number of streams of a fleet, which is measured alone', () => {
    expect(parseOptions(['--fleet', '5000', '--publish'], measurements)).toMatchObject({
      fleet: 5_000,
      publish: true,
    });
    expect(() => parseOptions(['--fleet', '5000', '--quick'], measurements)).toThrow(/--fleet/);
  });

  it.each(['0', '-1', '20001', '1e3', 'many'])('refuses a fleet of %s streams', (given) => {
    expect(() => parseOptions([`--fleet=${given}`], measurements)).toThrow(
      `--fleet: expected a number from 1 to 20000; found "${given}"`,
    );
  });

  it('reads the number of pods of a fleet and how many start in a second', () => {
    const args = ['--pods', '5000', '--pods-per-second', '250', '--publish'];
    expect(parseOptions(args, measurements)).toMatchObject({ pods: 5_000, podsPerSecond: 250 });
    expect(() => parseOptions(['--pods', '5', '--only', 'held'], measurements)).toThrow(/--pods/);
    expect(() => parseOptions(['--pods', '5', '--fleet', '5'], measurements)).toThrow(
      /one of them/,
    );
  });

  it('refuses pods that would start for longer than the simulation may take', () => {
    const args = ['--pods', '5000', '--pods-per-second', '16'];
    expect(() => parseOptions(args, measurements)).toThrow(
      '--pods-per-second: expected at least 17 for 5000 pods, because all must start within 300 s',
    );
  });

  it.each(['0', '1001', '0.5'])('refuses %s pods in a second', (given) => {
    expect(() => parseOptions(['--pods-per-second', given], measurements)).toThrow(
      `--pods-per-second: expected a number from 1 to 1000; found "${given}"`,
    );
  });

  it('selects measurements by words of their names', () => {
    expect(parseOptions(['--only', 'held'], measurements).only).toBe('held');
  });
});

describe('renderUsage', () => {
  it('lists the measurements', () => {
    expect(renderUsage(measurements)).toContain('admission, held credentials');
  });
});
