import { HttpClient } from '../sources/http/client.js';
import { MesosAgentSource } from '../sources/mesos/agent.js';
import type { Source } from '../sources/source.js';
import type { DaemonOptions } from './options.js';

/** The sources that read tasks of a cluster manager, those of higher priority first, and how to let go of what they hold. */
export interface TaskSources {
  readonly sources: readonly Source[];
  close(): Promise<void>;
}

export function taskSources(options: DaemonOptions): TaskSources {
  const http = new HttpClient({ files: { secret: options['access.secret'], ca: options['access.ca'] } });
  return { sources: agentSources(options, http), close: () => http.close() };
}

function agentSources(options: DaemonOptions, http: HttpClient): readonly Source[] {
  const url = options['mesos.agent.url'];
  if (url === undefined) return [];
  const intervalMs = options['mesos.agent.interval'];
  return [new MesosAgentSource({ url, intervalMs, ipv6: options['labels.ipv6'] }, { http })];
}
