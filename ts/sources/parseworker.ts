import { parentPort, workerData } from 'node:worker_threads';
import { parseServices } from '../model/validation.js';

/** The other end of `parse.ts`: one text in, one report out. */
const { text, file } = workerData as { text: string; file: string };
parentPort?.postMessage(parseServices(text, file));
