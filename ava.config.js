// Every suite, one after another: tests that own kernel state share two CPUs and one machine.
export default {
  files: ['dist/test/**/*.test.js'],
  workerThreads: false,
  concurrency: 1,
  timeout: '10m',
};
