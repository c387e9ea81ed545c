import { HttpClient } from '../sources/http/client.js';
import { type MarathonModules, MarathonSource } from '../sources/marathon/marathon.js';
import { type MesosAgentModules, MesosAgentSource } from '../sources/mesos/agent.js';
import { type MesosMasterModules, MesosMasterSource } from '../sources/mesos/master.js';
import { listedMasters, type Masters } from '../sources/mesos/masters.js';
import { AgentNews } from '../sources/mesos/news.js';
import { ZooKeeperMasters } from '../sources/mesos/zookeeper.js';
import type { Source } from '../sources/source.js';
import type { DaemonOptions } from './options.js';

/** The sources that read tasks of a cluster manager, those of higher priority first, and how to let go of what they hold. */
export interface TaskSources {
  readonly sources: readonly Source[];
  close(): Promise<void>;
}

export function taskSources(options: DaemonOptions): TaskSources {
  const http = new HttpClient({ files: { secret: options['access.secret'], ca: options['access.ca'] } });
  const masters = mastersOf(options);
  const news = new AgentNews();
  const master = masters && masterSource(options, { http, masters, news });
  return {
    sources: [
      ...agentSources(options, { http, news }),
      ...(master ? [master] : []),
      ...marathonSources(options, { http, heard: () => master?.table() }),
    ],
    close: async () => {
      masters?.close();
      await http.close();
    },
  };
}

function labels(options: DaemonOptions) {
  return { ipv6: options['labels.ipv6'], pendingReady: options.pendingChecks === 'ready' };
}

function agentSources(options: DaemonOptions, modules: MesosAgentModules): readonly Source[] {
  const url = options['mesos.agent.url'];
  if (url === undefined) return [];
  const intervalMs = options['mesos.agent.interval'];
  return [new MesosAgentSource({ url, intervalMs, ...labels(options) }, modules)];
}

function masterSource(options: DaemonOptions, modules: MesosMasterModules): MesosMasterSource {
  const encoding = options['mesos.master.encoding'];
  const vips = wanted(options['mesos.master.vips'], options['mesos.agent.url'] === undefined);
  return new MesosMasterSource({ encoding, vips, ...labels(options) }, modules);
}

function marathonSources(options: DaemonOptions, modules: MarathonModules): readonly Source[] {
  const urls = options['marathon.urls'];
  if (urls.length === 0) return [];
  const vips = wanted(options['marathon.vips'], options['mesos.agent.url'] === undefined);
  return [new MarathonSource({ urls, vips, ipv6: options['labels.ipv6'] }, modules)];
}

/** undefined when none are configured. With ZooKeeper, a list of masters beside it is not needed and not used. */
function mastersOf(options: DaemonOptions): Masters | undefined {
  const urls = options['mesos.master.urls'];
  const zookeeper = urls.find((one) => one.startsWith('zk://'));
  if (zookeeper !== undefined) {
    const scheme = options['access.ca'] === undefined ? 'http' : 'https';
    return new ZooKeeperMasters({ url: zookeeper, scheme });
  }
  return urls.length === 0 ? undefined : listedMasters(urls);
}

function wanted(choice: 'auto' | 'yes' | 'no', automatic: boolean): boolean {
  return choice === 'auto' ? automatic : choice === 'yes';
}
