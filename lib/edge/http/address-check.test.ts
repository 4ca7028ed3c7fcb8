import { describe, expect, it } from '@jest/globals';
import { isCloudAddress } from './address-check.ts';

describe('isCloudAddress', () => {
  it.each([
    '127.0.0.1',
    '127.8.8.8',
    '0.0.0.0',
    '0.1.2.3',
    '169.254.169.254',
    '169.254.170.2',
    '100.100.100.200',
    '100.64.0.1',
    '192.0.0.192',
    '224.0.0.1',
    '255.255.255.255',
    '::',
    '::1',
    '::127.0.0.1',
    'fe80::1',
    'fd00:ec2::254',
    'fd20:ce::254',
    'ff02::1',
    '::ffff:127.0.0.1',
    '::ffff:7f00:1',
    '::ffff:a9fe:a9fe',
    '64:ff9b::127.0.0.1',
    '64:ff9b::a9fe:a9fe',
    '64:ff9b::100.100.100.200',
    '64:ff9b:1::1',
    '2002:7f00:1::',
    '',
    'localhost',
    '127.1',
  ])('refuses %s', (address) => {
    expect(isCloudAddress(address)).toBe(false);
  });

  it.each([
    '10.0.0.1',
    '172.16.0.1',
    '192.168.1.1',
    '52.219.47.1',
    '100.63.255.255',
    '100.128.0.0',
    '169.253.255.255',
    'fd12:3456::1',
    '2600:1f00::1',
    '::ffff:10.0.0.1',
    '64:ff9b::52.219.47.1',
  ])('allows %s', (address) => {
    expect(isCloudAddress(address)).toBe(true);
  });
});
