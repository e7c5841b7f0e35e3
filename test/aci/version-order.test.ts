import { describe, expect, test } from '@jest/globals';
import { compareVersions } from '../../server/aci/version-order.js';

describe('the order of versions', () => {
  const OLD_TO_NEW = [
    'stable',
    'v1.0.0-rc.1',
    'v1.0.0-rc.2',
    'v2.0.0-beta',
    '0.9',
    '1.0.0',
    'v1.3.6_coreos.0',
    'v1.3.6_coreos.1',
    'v1.3.10',
    '1.4',
    '1.10',
    'v2',
    '2.0.1',
    '2024.01.05',
    '20240106',
  ];

  test('is that of Semantic Versioning, below it pre-releases, below these what is no version', () => {
    const mixed = [...OLD_TO_NEW].sort((one, other) => (one < other ? 1 : -1));
    expect(mixed.sort(compareVersions)).toEqual(OLD_TO_NEW);
  });

  test('does not tell two spellings of one version apart, nor two words', () => {
    expect(compareVersions('v1.0.0', '1.0.0')).toBe(0);
    expect(compareVersions('1.0', '1.0.0')).toBe(0);
    expect(compareVersions('main', 'stable')).toBe(0);
  });

  test('takes any text', () => {
    for (const text of ['', '1.2.3.4', `1.${'9'.repeat(200)}.0`, '1.0.0-\u0000', 'v', '_', '-1']) {
      expect(compareVersions(text, '1.0.0')).toBeLessThan(0);
      expect(compareVersions('1.0.0', text)).toBeGreaterThan(0);
    }
  });
});
