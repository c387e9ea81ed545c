// Every suite. Tests that own kernel state run one after another: they share two CPUs and one machine.
export default {
  files: ['dist/test/**/*.test.js'],
  workerThreads: false,
  concurrency: 1,
  timeout: '10m',
};
