import { Worker } from 'node:worker_threads';
import { type ParsedServices, parseServices } from '../model/validation.js';
import type { Fault } from '../util/errors.js';

/** About a tenth of a second of parsing. Longer, and health checks and the API would wait for it. */
const INLINE_CHARACTERS = 128 * 1024;

/** Bounds for what a text may cost, far above what 100,000 services need. */
const MAX_HEAP_MB = 2048;
const MAX_MS = 120_000;

/** {@link parseServices}, in a thread of its own when the text is long; its memory goes when the thread does. */
export async function parseText(text: string, file: string): Promise<ParsedServices> {
  if (text.length <= INLINE_CHARACTERS) return parseServices(text, file);
  const worker = new Worker(new URL('./parseworker.js', import.meta.url), {
    workerData: { text, file },
    resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MB },
  });
  const timer = setTimeout(() => void worker.terminate(), MAX_MS);
  try {
    return await answerOf(worker, file);
  } finally {
    clearTimeout(timer);
    await worker.terminate();
  }
}

function answerOf(worker: Worker, file: string): Promise<ParsedServices> {
  return new Promise((resolve) => {
    const failed = (cause: string): void => {
      const fault: Fault = { code: 'FILE_TOO_COMPLEX', object: file, cause, hint: 'split it into several files' };
      resolve({ services: [], rejected: [], faults: [fault], keepLast: true });
    };
    worker.once('message', (parsed: ParsedServices) => resolve(parsed));
    worker.once('error', (error) => failed(`cannot be parsed: ${error.message}`));
    worker.once('exit', () => failed(`was not parsed within ${MAX_MS / 1000} s`));
  });
}
