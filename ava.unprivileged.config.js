// The suites that need neither root nor BPF, side by side; `npm run check` runs them, and `npm test` first of all.
export const unprivileged = [
  'dist/test/unit/**/*.test.js',
  'dist/test/architecture.test.js',
  'dist/test/bpf/packet.test.js',
  'dist/test/contract/memory.test.js',
  'dist/test/contract/sources.test.js',
];

export default { files: unprivileged, workerThreads: false, timeout: '10m' };
