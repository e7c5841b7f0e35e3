export default {
  testEnvironment: 'node',
  roots: ['<rootDir>/test'],
  testMatch: ['**/*.test.ts'],
  extensionsToTreatAsEsm: ['.ts'],
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      { jsc: { target: 'es2022', parser: { syntax: 'typescript' } }, sourceMaps: 'inline' },
    ],
  },
  // Most tests wait for programs and disks, so one a core is not too many.
  maxWorkers: '100%',
  testTimeout: 120_000,
  coverageProvider: 'v8',
  collectCoverageFrom: ['server/**/*.ts', 'scripts/**/*.ts'],
};
