// Layers of src/ (design.md §1): each room lists what it may import. Anything else is an error, cycles too.
const may = {
  core: [],
  format: ['core'],
  store: ['core'],
  images: ['core', 'format', 'store'],
  compile: ['core', 'format'],
  teachers: ['core', 'format', 'store', 'images', 'compile'],
  cache: ['core', 'format', 'store', 'images', 'teachers'],
  audit: ['core', 'format', 'store', 'images', 'teachers'],
  curate: ['core', 'format', 'store', 'images', 'audit'],
  loader: ['core', 'format', 'store', 'images', 'cache'],
  student: ['core', 'format', 'store', 'images', 'cache', 'loader', 'compile'],
  report: ['core'],
  run: ['core', 'store', 'format'],
  stages: [
    'core',
    'format',
    'store',
    'images',
    'compile',
    'teachers',
    'cache',
    'audit',
    'curate',
    'loader',
    'student',
    'report',
    'run',
  ],
};

module.exports = {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'no-orphans',
      severity: 'error',
      from: {
        orphan: true,
        pathNot: ['^src/cli/main\\.ts$', '^src/index\\.ts$', 'worker\\.ts$', '\\.d\\.ts$'],
      },
      to: {},
    },
    ...Object.entries(may).map(([room, rooms]) => ({
      name: `${room}-imports`,
      severity: 'error',
      from: { path: `^src/${room}/` },
      to: { path: '^src/', pathNot: `^src/(${[room, ...rooms].join('|')})/` },
    })),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { extensions: ['.ts', '.js'] },
  },
};
