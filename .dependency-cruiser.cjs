/** The arrows between the rooms of the house: a room imports only from rooms above it in this list. */
const ROOMS = [
  'oci',
  'disk',
  'stream',
  'openpgp',
  'tls',
  'aci',
  'assets',
  'access',
  'registry',
  'lookaside',
  'convert',
  'mirror',
  'bundle',
  'clients',
];

const downwards = ROOMS.slice(0, -1).map((room, index) => ({
  name: `${room}-knows-only-rooms-above`,
  severity: 'error',
  comment: `server/${room} may import only from rooms that stand before it in docs/architecture.md`,
  from: { path: `^server/${room}/` },
  to: { path: `^server/(${ROOMS.slice(index + 1).join('|')})/` },
}));

module.exports = {
  forbidden: [
    { name: 'no-circular', severity: 'error', from: {}, to: { circular: true } },
    ...downwards,
    {
      name: 'core-knows-no-face',
      severity: 'error',
      comment: 'the core knows nothing of HTTP, Express or the terminal',
      from: { path: '^server/', pathNot: '^server/http/' },
      to: { path: '^(server/http/|scripts/)|node_modules/(express|serve-static|commander|cli-progress)/' },
    },
    {
      name: 'ground-floor-knows-no-room',
      severity: 'error',
      comment: 'errors, config, log and metrics stand below all rooms',
      from: { path: '^server/(config/|(errors|log|metrics)\\.ts$)' },
      to: { path: '^server/[^/]+/', pathNot: '^server/config/' },
    },
    {
      name: 'faces-use-the-index',
      severity: 'error',
      comment: 'HTTP and the command line reach the core through server/index.ts',
      from: { path: '^(server/http|scripts)/' },
      to: { path: `^server/(${ROOMS.join('|')}|config)/|^server/(errors|log|metrics)\\.ts$` },
    },
    {
      name: 'commands-use-one-door-of-http',
      severity: 'error',
      comment: 'the command line starts the server through server/http/serve.ts',
      from: { path: '^scripts/' },
      to: { path: '^server/http/', pathNot: '^server/http/serve\\.ts$' },
    },
    {
      name: 'server-knows-no-script',
      severity: 'error',
      from: { path: '^server/' },
      to: { path: '^scripts/' },
    },
    {
      name: 'shipped-code-uses-shipped-packages',
      severity: 'error',
      from: { path: '^(server|scripts)/' },
      to: {
        dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'],
        dependencyTypesNot: ['type-only', 'npm', 'npm-optional'],
      },
    },
    {
      name: 'no-orphans',
      severity: 'error',
      from: { orphan: true, pathNot: '^scripts/bootdepot\\.ts$|\\.d\\.ts$' },
      to: {},
    },
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default', 'types'],
    },
  },
};
