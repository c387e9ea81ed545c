import type { FlowRecord } from './flow-record.js';
import type { Scene } from './scene.js';

/** What is programmed, and what has been sent so far. */
export interface Setting {
  readonly scene: Scene;
  readonly record: FlowRecord;
}
