import test from 'ava';
import { type TaskTable, taskKey } from '../../../../ts/model/task.js';
import { type EncodingName, encodings } from '../../../../ts/sources/mesos/encoding.js';
import { documentedGrace, MasterMirror } from '../../../../ts/sources/mesos/mirror.js';
import { encodeEvent } from '../../../../ts/sources/mesos/protobuf.js';
import { encodeRecord, RecordIoDecoder } from '../../../../ts/sources/mesos/recordio.js';
import { simulatedTask } from '../../../simulators/tasks.js';
import { agentMessage, frameworkMessage, type MasterEvent, World } from '../../../simulators/world.js';

/** A stream with every kind of event in it, recorded from a simulated cluster. */
function recorded(): readonly MasterEvent[] {
  const world = new World();
  const subscribed = { get_state: snapshotOf(world), heartbeat_interval_seconds: 15 };
  const events: MasterEvent[] = [{ type: 'SUBSCRIBED', subscribed }, { type: 'HEARTBEAT' }];
  world.on('event', (event) => events.push(structuredClone(event)));
  world.addFramework('F-0001', 'marathon');
  world.addFramework('F-0002', 'kafka');
  for (const n of [1, 2, 3]) world.addAgent({ id: `A-S${n}`, hostname: `10.0.0.${n}`, port: 5051 });
  for (let i = 0; i < 12; i += 1) {
    const ports = [{ number: 80, name: 'http', labels: { VIP_0: `/web${i % 4}:80`, 'network-scope': 'container' } }];
    const framework = i % 3 === 0 ? 'F-0002' : 'F-0001';
    const place = { agent: `A-S${(i % 3) + 1}`, addresses: [`9.0.0.${i}`, `fd01:b::${i}`], framework };
    const more = { mappings: i % 2 === 0 ? ([[80, 31000 + i]] as const) : [], labels: { vip_port0: 'tcp://old:80' } };
    world.launch(
      simulatedTask({ id: `task.${i}`, ports, ...place, ...more, resources: [[31000, 31100]], checked: true }),
    );
    world.check(`task.${i}`, i % 5 !== 0);
  }
  world.turn('task.3', 'TASK_KILLING');
  world.turn('task.4', 'TASK_FAILED');
  world.loseAgent('A-S3');
  world.addAgent({ id: 'A-S3', hostname: '10.0.0.3', port: 5051 });
  const gone = { framework_info: { id: { value: 'F-0002' }, name: 'kafka' } };
  world.tell({ type: 'FRAMEWORK_REMOVED', framework_removed: gone });
  world.tell({ type: 'SOMETHING_NEW' });
  return events;
}

function snapshotOf(world: World): object {
  world.addAgent({ id: 'A-S9', hostname: '10.0.0.9', port: 5051 });
  world.addFramework('F-0009', 'old');
  world.launch(simulatedTask({ id: 'old.1', agent: 'A-S9', framework: 'F-0009', addresses: ['10.0.0.9'] }));
  return {
    get_tasks: { tasks: [...world.tasks.values()].map(({ message }) => message) },
    get_frameworks: { frameworks: [...world.frameworks.values()].map(frameworkMessage) },
    get_agents: { agents: [...world.agents.values()].map(agentMessage) },
  };
}

const events = recorded();
const bytesOf = (encoding: EncodingName) =>
  Buffer.concat(
    events.map((event) => encodeRecord(encoding === 'json' ? Buffer.from(JSON.stringify(event)) : encodeEvent(event))),
  );

/** The table of a stream that arrives in these pieces. */
function tableOf(stream: Buffer, encoding: EncodingName, cuts: readonly number[]): TaskTable {
  const mirror = new MasterMirror(undefined, documentedGrace);
  const decoder = new RecordIoDecoder({ maxBytes: 1 << 20 });
  let at = 0;
  for (const end of [...cuts, stream.length]) {
    for (const record of decoder.push(stream.subarray(at, end))) mirror.apply(encodings[encoding].decode(record), 0);
    at = end;
  }
  return mirror.table(0, { masters: [] })!;
}

/** Deterministic, so that a failure is the same again (mulberry32). */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

test('10,000 random chunkings of a recorded stream come to one and the same state, in both encodings', (t) => {
  const next = random(20_260_101);
  const whole = tableOf(bytesOf('json'), 'json', []);
  const expected = JSON.stringify(plain(whole));
  t.is(whole.tasks.size, 8);
  for (const [encoding, runs] of [
    ['json', 5_000],
    ['protobuf', 5_000],
  ] as const) {
    const stream = bytesOf(encoding);
    t.is(JSON.stringify(plain(tableOf(stream, encoding, []))), expected, encoding);
    // Full comparisons of tables are dear; the records are what a chunking can change.
    const records = JSON.stringify(recordsOf(stream, []));
    for (let run = 0; run < runs; run += 1) {
      const count = 1 + Math.floor(next() * 40);
      const cuts = Array.from({ length: count }, () => Math.floor(next() * stream.length)).sort((a, b) => a - b);
      if (JSON.stringify(recordsOf(stream, cuts)) !== records) t.fail(`${encoding} cut at ${cuts.join(', ')}`);
      if (run % 50 === 0) t.is(JSON.stringify(plain(tableOf(stream, encoding, cuts))), expected, cuts.join());
    }
  }
});

function recordsOf(stream: Buffer, cuts: readonly number[]): readonly number[] {
  const decoder = new RecordIoDecoder({ maxBytes: 1 << 20 });
  let at = 0;
  return [...cuts, stream.length].flatMap((end) => {
    const piece = stream.subarray(at, end);
    at = end;
    return decoder.push(piece).map(checksum);
  });
}

/** FNV-1a, 32 bits. */
function checksum(bytes: Uint8Array): number {
  return bytes.reduce((hash, byte) => Math.imul(hash ^ byte, 0x01000193) >>> 0, 0x811c9dc5);
}

function plain({ tasks, agents, frameworks }: TaskTable): object {
  const sorted = <T>(map: ReadonlyMap<string, T>) => [...map].sort(([a], [b]) => (a < b ? -1 : 1));
  return { tasks: sorted(tasks), agents: sorted(agents), frameworks: sorted(frameworks) };
}

test('what is told is what is known at the end', (t) => {
  const table = tableOf(bytesOf('protobuf'), 'protobuf', []);
  const task = (id: string, frameworkId = 'F-0001') => table.tasks.get(taskKey({ frameworkId, id }));
  t.is(task('task.4'), undefined);
  t.is(task('task.3', 'F-0002'), undefined);
  t.is(task('task.1')?.healthy, true);
  t.is(task('task.10')?.healthy, false);
  t.deepEqual(task('task.2')?.ports, [
    { name: 'http', protocol: 'tcp', port: 80, hostPort: 31002, vips: ['/web2:80'] },
    { name: 'default', protocol: 'tcp', hostPort: 31000, vips: ['old:80'] },
  ]);
  t.deepEqual([...table.agents.values()].map(({ address }) => address).sort(), [
    '10.0.0.1',
    '10.0.0.2',
    '10.0.0.3',
    '10.0.0.9',
  ]);
});
