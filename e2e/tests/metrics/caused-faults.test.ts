import { describe, expect, it } from '@jest/globals';

import { readAlerts } from '../../../tools/chart/alert-rules.ts';
import { CAUSED_FAULTS, ONLY_RULE_TESTS } from './caused-faults.ts';

describe('CAUSED_FAULTS and ONLY_RULE_TESTS', () => {
  it('contain each alert once', () => {
    const caused = CAUSED_FAULTS.flatMap(({ alerts }): readonly string[] => alerts);
    const alerts = readAlerts().map(({ alert }) => alert);
    expect([...caused, ...Object.keys(ONLY_RULE_TESTS)].toSorted()).toEqual(alerts.toSorted());
  });
});
