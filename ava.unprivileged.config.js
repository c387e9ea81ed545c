// The suites that need neither root nor BPF; `npm run check` runs them.
export default {
  files: ['dist/test/unit/**/*.test.js', 'dist/test/architecture.test.js'],
  workerThreads: false,
  timeout: '2m',
};
